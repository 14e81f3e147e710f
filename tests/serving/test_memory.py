"""What a server holds after large texts."""

import sys

import pytest

from albert_tf.serving.memory import give_large_blocks_back

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's call")


@needs_linux
def test_large_blocks_go_back():
    assert give_large_blocks_back()


@needs_linux
def test_an_operator_who_set_the_allocator_is_not_overruled(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1000000")
    assert not give_large_blocks_back()
