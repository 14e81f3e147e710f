"""Several workers on this machine, started, watched, and started again when one dies.

Workers that are left cannot go on without the dead one, so all of them are ended and begin again
from the newest checkpoint, with the result of a run that never broke. No TensorFlow here.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from albert_tf.training.fields import as_values
from albert_tf.training.pretraining.lost_worker import WorkerLost
from albert_tf.training.pretraining.stopping import stop_requests

_SUPERVISED = "ALBERT_TF_SUPERVISED"
COMMAND = (sys.executable, "-m", "albert_tf.cli", "pretrain", "--recipe")
_LOOK_EVERY = 0.2  # seconds
# A worker that lost another one says so within seconds; the other's own words come first.
_LAST_WORDS = 10.0


def is_supervised() -> bool:
    """Whether this process is a worker that `supervise` started."""
    return _SUPERVISED in os.environ


def supervise(settings) -> int:
    """Runs `albert-tf pretrain` in `settings.workers` processes until their common end.

    The chief shows its progress here; the output of the others is shown where one of them fails.
    SIGTERM and SIGINT are handed on, and end all of them after a common update.

    Args:
        settings: `PretrainSettings` with `workers`.

    Returns:
        The exit code: 0; 1 when stopped; 2 for input that a user can mend; 3 when a worker died
        more often than `restarts` allows.
    """
    with stop_requests() as requests:
        for restart in range(settings.restarts + 1):
            if restart:
                _say(f"all workers start again, {restart} of {settings.restarts} times")
            codes = _run_once(settings, requests)
            if not any(codes):
                return 0
            if 2 in codes:
                return 2  # and not the 3 of those that lost it: starting again would not help
            if requests:
                return 1
        return WorkerLost.exit_code


def _run_once(settings, requests) -> list[int]:
    """Starts all workers and waits until all have ended; gives their exit codes."""
    with tempfile.TemporaryDirectory(prefix="albert-tf-workers-") as folder:
        workers = _start(settings, Path(folder))
        try:
            codes = _watch(workers, requests)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
                worker.stdin.close()
        if any(codes):
            _tell(codes, Path(folder))
    return codes


def _start(settings, folder):
    recipe = folder / "recipe.json"
    recipe.write_text(json.dumps(as_values(settings)), encoding="utf-8")
    addresses = [f"127.0.0.1:{port}" for port in free_ports(settings.workers)]
    workers = []
    for index in range(settings.workers):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        with contextlib.ExitStack() as stack:
            output = {}
            if index:
                log = stack.enter_context(_log_of(folder, index).open("wb"))
                output = {"stdout": log, "stderr": subprocess.STDOUT}
            # Its standard input ends with this process, which tells it to end as well.
            process = subprocess.Popen(
                [*COMMAND, str(recipe)],
                stdin=subprocess.PIPE,
                env={**os.environ, "TF_CONFIG": json.dumps(config), _SUPERVISED: "1"},
                start_new_session=True,  # Ctrl-C comes here alone, and is handed on once
                **output,
            )
        workers.append(process)
    return workers


def _watch(workers, requests) -> list[int]:
    """Waits for the end of all; where one fails, the others are ended."""
    handed_on, deadline = 0, None
    while True:
        codes = [worker.poll() for worker in workers]
        if None not in codes:
            return codes
        if any(codes) and not requests:
            deadline = deadline or time.monotonic() + _LAST_WORDS
            if time.monotonic() > deadline:
                for worker in workers:
                    worker.kill()
        for number in requests[handed_on:]:
            for worker in workers:
                worker.send_signal(number)
            handed_on += 1
        time.sleep(_LOOK_EVERY)


def _tell(codes, folder):
    """Says which worker ended how, with the last words of those that are not shown."""
    _say(", ".join(f"worker {i} {_end_of(code)}" for i, code in enumerate(codes)))
    expected = (0, WorkerLost.exit_code, -signal.SIGKILL, codes[0])
    for index, code in enumerate(codes):
        if index and code not in expected:
            lines = _log_of(folder, index).read_text(encoding="utf-8", errors="replace")
            last = "\n".join(lines.splitlines()[-20:])
            _say(f"the last words of worker {index}:\n{last}")


def _end_of(code):
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return {0: "is done", 1: "stopped", 3: "lost another one"}.get(code, f"ended with code {code}")


def _log_of(folder, index):
    return folder / f"worker-{index}.log"


def _say(text):
    print(f"albert-tf pretrain: {text}", file=sys.stderr, flush=True)


def free_ports(count) -> list[int]:
    """So many ports of the loopback interface that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
