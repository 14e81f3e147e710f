"""Starts TensorFlow without the notes that it writes before any log level counts."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def standard_error_closed() -> Iterator[None]:
    """Within it, what the process writes to its standard error is lost; errors are raised."""
    sys.stderr.flush()  # what came before is not lost
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def start_quietly() -> None:
    """Imports TensorFlow and what stands on it; takes some ten seconds, and says nothing.

    TensorFlow's C++ writes past Python's streams, and before its own settings of logging count.
    """
    with standard_error_closed(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # a bar's looks, from tqdm
        import keras_hub  # noqa: F401
        import tensorflow
    tensorflow.get_logger().setLevel("ERROR")  # it tells of every file that it reads or writes
