"""How the process of a server gets memory from the system, and gives it back."""

import contextlib
import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator

# Numbers of `mallopt` (malloc.h of glibc).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BLOCK = 4 << 20
KEPT_FREE = 64 << 20
COLLECT_SECONDS = 10
OF_THE_OPERATOR = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def give_large_blocks_back() -> bool:
    """Lets blocks of 4 MB and more go back to the system as soon as they are free.

    glibc learns from the first large text that large blocks are common. From then on it takes them
    out of its arenas, one for each of many threads, and keeps up to 64 MB of what becomes free in
    each: texts of 10 MB from several clients made a server larger by half a gigabyte. With the
    border fixed, such a block is mapped, and unmapped when it is free. TensorFlow's own buffers
    are not touched: they have a pool of their own.

    An operator who has set the allocator in the environment knows better.

    Returns:
        Whether it was done: only glibc has the call.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in OF_THE_OPERATOR):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK) and mallopt(M_TRIM_THRESHOLD, KEPT_FREE))


@contextlib.contextmanager
def graphs_collected() -> Iterator[Callable[[], None]]:
    """Frees the graphs of versions that have gone; Python alone takes its time.

    A graph of TensorFlow refers to itself, and such garbage is looked for only when there are a
    quarter more objects than at the last time: twenty versions of a small model, 5 MB each, waited
    for it. What is there before the models are loaded is left out of every search from now on, so
    that one takes ten milliseconds rather than half a second.

    Returns:
        What is to be called again and again: every ten seconds it looks for garbage.
    """
    gc.collect()
    gc.freeze()
    due = time.monotonic() + COLLECT_SECONDS

    def collect():
        nonlocal due
        if time.monotonic() > due:
            gc.collect()
            due = time.monotonic() + COLLECT_SECONDS

    try:
        yield collect
    finally:
        gc.unfreeze()
