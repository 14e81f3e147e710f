"""Counts and times every request, wherever it comes in."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from albert_tf.serving.errors import ServingError
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.metrics import Metrics

# Names come from clients. Those that no model has share one, or the metrics would grow for ever.
UNKNOWN_MODEL = "unknown"


class ObservedServable:
    """A servable that times the runs of one call; it stands in for it in `inference`."""

    def __init__(self, servable, metrics: Metrics, api: str, is_wanted: Callable[[], bool] | None):
        self._servable, self._metrics, self._api = servable, metrics, api
        self._is_wanted = is_wanted or (lambda: True)
        self.name, self.version = servable.name, servable.version
        self.signatures = servable.signatures

    def run(
        self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str], timeout: float | None = None
    ) -> dict[str, np.ndarray]:
        started = time.monotonic()
        values = self._servable.run(feeds, fetches, timeout, self._is_wanted)
        micros = 1e6 * (time.monotonic() - started)
        self._metrics.runtime_latency.add(micros, self.name, self._api, "TF1")
        return values


class Observer:
    """Hands out servables, and writes down what became of the request."""

    def __init__(self, manager: ModelManager, metrics: Metrics):
        self._manager, self._metrics = manager, metrics

    @contextlib.contextmanager
    def request(
        self,
        name: str,
        api: str,
        entrypoint: str,
        num_examples: int | None = None,
    ) -> Iterator[None]:
        """Counts the request that is answered inside the block.

        Args:
            name: of the model.
            api: "Predict" and so on; lower case over REST.
            entrypoint: "GRPC" or "REST".
            num_examples: of a request that brings `tf.Example`s.
        """
        started, status, metrics = time.monotonic(), "UNKNOWN", self._metrics
        label = name if self._manager.knows(name) else UNKNOWN_MODEL
        try:
            yield
            status = "OK"
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            metrics.request_count.add(label, status)
            if status == "OK":
                micros = 1e6 * (time.monotonic() - started)
                metrics.request_latency.add(micros, label, api, entrypoint)
            if status == "OK" and num_examples is not None:
                metrics.examples.add(num_examples, label)
                metrics.example_count.add(label, amount=num_examples)

    @contextlib.contextmanager
    def lease(
        self, spec, api: str, is_wanted: Callable[[], bool] | None = None
    ) -> Iterator[ObservedServable]:
        """As `ModelManager.lease`; the runs are timed."""
        with self._manager.lease(spec) as servable:
            yield ObservedServable(servable, self._metrics, api, is_wanted)
