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


def load_tensorflow() -> None:
    """Imports TensorFlow, and lets it tell of errors alone from then on; takes some seconds.

    Its C++ writes past Python's streams, and before its own settings of logging count. Its logger
    tells of every file that is written, and that a model of another shape is traced anew. Python's
    warnings, ours among them, go another way and stay.
    """
    with standard_error_closed():
        import tensorflow
    tensorflow.get_logger().setLevel("ERROR")


def start_quietly() -> None:
    """Imports TensorFlow and what stands on it; takes some ten seconds, and says nothing."""
    load_tensorflow()
    with standard_error_closed(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # a bar's looks, from tqdm
        import keras_hub  # noqa: F401
