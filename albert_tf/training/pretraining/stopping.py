"""Asking a run to end: by signals, or by the end of the process that started it."""

import contextlib
import os
import signal
import threading

STDIN = 0


@contextlib.contextmanager
def stop_requests():
    """Turns SIGTERM and SIGINT into a wish: the yielded list is filled when one has come.

    Who looks at the list ends what is under way, and writes a checkpoint. A second SIGINT
    interrupts. In a thread beside the main one, where there are no signals, the list stays empty.
    """
    requests = []
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return

    def wish(number, frame):
        if requests and number == signal.SIGINT:
            raise KeyboardInterrupt
        requests.append(number)

    previous = {number: signal.signal(number, wish) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def stop_when_input_ends():
    """Sends SIGTERM to this process when its standard input ends: the one that holds it is gone."""

    def wait():
        while os.read(STDIN, 4096):  # not sys.stdin, whose lock the end of Python wants
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
