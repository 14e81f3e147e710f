"""How long a server takes to answer, one client at a time and many at once."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def time_calls(call: Callable[[], object], repeats: int = 50, warm_up: int = 3) -> list[float]:
    """Seconds of each of `repeats` calls in a row, after some that do not count."""
    for _ in range(warm_up):
        call()
    return [_seconds_of(call) for _ in range(repeats)]


def time_clients(
    call: Callable[[], object], num_clients: int, calls_each: int = 20
) -> tuple[list[float], float]:
    """Lets several clients call at the same time, each one call after the other.

    Args:
        call: safe to use from many threads, as a `Client` is.
        num_clients: threads.
        calls_each: calls of a thread.

    Returns:
        Seconds of each call, and how many calls a second were answered.
    """
    barrier = threading.Barrier(num_clients + 1)

    def client():
        barrier.wait()
        return [_seconds_of(call) for _ in range(calls_each)]

    with ThreadPoolExecutor(num_clients) as threads:
        waiting = [threads.submit(client) for _ in range(num_clients)]
        barrier.wait()
        started = time.perf_counter()
        found = [seconds for one in waiting for seconds in one.result()]
        passed = time.perf_counter() - started
    return found, len(found) / passed


def _seconds_of(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
