"""The processes of a preparation: started anew ("spawn"), each with its own encoder."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from albert_tf.data.documents import Piece
from albert_tf.data.preparation.rows import RowMaker
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.data.preparation.shards import write_shard
from albert_tf.data.preparation.spills import read_sorted, write_spill

_maker: RowMaker | None = None  # of this process


def spill_task(pieces: list[Piece], path: Path, settings: PreparationSettings) -> Counter:
    """Makes the rows of a task and writes its spill."""
    return write_spill(path, _maker.rows_of_task(pieces), settings)


def assemble_shard(
    path: Path, spills: list[Path], split: str, shard: int, settings: PreparationSettings
) -> dict:
    """Writes one shard out of all spills; gives its entry in the manifest."""
    return write_shard(path, read_sorted(spills, split, shard, settings))


class Workers:
    """Runs functions in `num_workers` processes, or in this one if that is 1.

    Args:
        num_workers: processes.
        settings, vocabulary: of the `RowMaker` that each process gets.
    """

    def __init__(self, num_workers: int, settings: PreparationSettings, vocabulary: bytes):
        self._pool = None
        if num_workers == 1:
            _start(settings, vocabulary)
        else:
            self._pool = ProcessPoolExecutor(
                num_workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_process,
                initargs=(settings, vocabulary),
            )

    def __enter__(self):
        self._collects = gc.isenabled()
        if self._pool is None:
            gc.disable()  # see `_start_process`
        return self

    def __exit__(self, *exception):
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        elif self._collects:
            gc.enable()

    def run(self, function, calls: dict) -> Iterator[tuple]:
        """Calls a function many times.

        Args:
            function: of this module.
            calls: name of each call -> its arguments.

        Yields:
            Name and result of each call as it ends.

        Raises:
            ChildProcessError: a process died.
        """
        if self._pool is None:
            for name, arguments in calls.items():
                yield name, function(*arguments)
            return
        futures = {self._pool.submit(function, *args): name for name, args in calls.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A worker process was killed, most likely for want of memory. Start the same "
                "command again with fewer --workers: it goes on where it stopped."
            ) from error


def _start(settings, vocabulary):
    global _maker
    _maker = RowMaker(settings, vocabulary)


def _start_process(settings, vocabulary):
    # No reference cycles are made here, and to look for some in a million lists takes a tenth of
    # the time.
    gc.disable()
    # A worker waits for work for ever when its parent was killed; this one ends with it.
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    # Control-C reaches all processes; the parent's word on it is enough.
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    _start(settings, vocabulary)
