"""Calls are counted and timed, alone and from many threads."""

import threading

from albert_tf.serving.timing import time_calls, time_clients


def test_calls_before_the_first_timed_one_do_not_count():
    calls = []
    assert len(time_calls(lambda: calls.append(1), repeats=5, warm_up=2)) == 5
    assert len(calls) == 7


def test_clients_call_at_the_same_time():
    together = threading.Barrier(3, timeout=5)
    seconds, rate = time_clients(together.wait, num_clients=3, calls_each=4)
    assert len(seconds) == 12 and rate > 0 and min(seconds) >= 0
