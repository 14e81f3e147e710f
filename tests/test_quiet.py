import logging
import os
import warnings

import pytest

from albert_tf.quiet import load_tensorflow, standard_error_closed


def test_what_is_written_within_is_lost_and_what_stands_around_it_is_not(capfd):
    os.write(2, b"before, ")
    with standard_error_closed():
        os.write(2, b"within, ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before, after"


def test_tensorflow_tells_of_errors_alone_and_python_warns_as_before():
    import tensorflow as tf

    logger = tf.get_logger()
    before = logger.level
    try:
        logger.setLevel("INFO")
        load_tensorflow()
        assert logger.isEnabledFor(logging.ERROR) and not logger.isEnabledFor(logging.WARNING)
        with pytest.warns(UserWarning, match="ours"):
            warnings.warn("ours", stacklevel=1)
    finally:
        logger.setLevel(before)
