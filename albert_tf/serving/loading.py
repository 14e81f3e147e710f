"""Loads a version the way the server's options say: batched or not, and warmed up."""

import time
from pathlib import Path

import grpc

from albert_tf.serving.batched_servable import BatchedServable
from albert_tf.serving.batching import BatchThreads
from albert_tf.serving.batching_options import BatchingOptions, options_of_version
from albert_tf.serving.errors import ServingError, serving_error
from albert_tf.serving.metrics import Metrics
from albert_tf.serving.servable import Servable
from albert_tf.serving.warmup import WARMUP_FILE, warm_up


class Loader:
    """Makes servables out of version directories. To be closed when they are.

    Args:
        batching: how to batch; None for not at all.
        per_model: batch only the versions that hold a file that says how.
        metrics: where warm-up and batches are counted.
        bfloat16: as in `Servable`.
    """

    def __init__(
        self,
        batching: BatchingOptions | None = None,
        per_model: bool = False,
        metrics: Metrics | None = None,
        bfloat16: bool = False,
    ):
        self._batching = batching
        self._per_model, self._bfloat16 = per_model, bfloat16
        self._metrics = metrics or Metrics()
        self._threads = batching and BatchThreads(batching.num_batch_threads, self._metrics)

    def load(self, name: str, number: int, directory: Path) -> Servable | BatchedServable:
        """Returns a version that is ready for requests.

        Raises:
            ServingError: it cannot be loaded, or a warm-up request cannot be answered.
        """
        batching = self._batching
        if batching is not None and self._per_model:
            batching = options_of_version(directory, batching)
        try:
            servable = Servable(name, number, directory, self._bfloat16)
        except OSError as error:
            raise serving_error(
                grpc.StatusCode.DATA_LOSS, f"Cannot read {directory}: {error}"
            ) from error
        if batching is not None:
            servable = BatchedServable(servable, batching, self._threads, self._metrics)
        try:
            self._warm_up(servable, directory)
        except ServingError:
            servable.close()
            raise
        return servable

    def _warm_up(self, servable: Servable | BatchedServable, directory: Path) -> None:
        if not (directory / WARMUP_FILE).is_file():
            return
        started, status = time.monotonic(), "OK"
        try:
            warm_up(servable, directory)
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            micros = 1e6 * (time.monotonic() - started)
            self._metrics.warmup_latency.add(micros, str(directory), status)

    def close(self) -> None:
        """Ends the threads; to be called when no model is loaded any more."""
        if self._threads is not None:
            self._threads.close()
