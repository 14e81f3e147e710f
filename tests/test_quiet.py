import os

from albert_tf.quiet import standard_error_closed


def test_what_is_written_within_is_lost_and_what_stands_around_it_is_not(capfd):
    os.write(2, b"before, ")
    with standard_error_closed():
        os.write(2, b"within, ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before, after"
