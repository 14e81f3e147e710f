"""A loaded model whose requests run in batches: the same face as `Servable`."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from albert_tf.serving.batching import BatchQueue, BatchThreads, Task, always, too_late
from albert_tf.serving.batching_options import BatchingOptions
from albert_tf.serving.errors import DeadlineExceededError, ServingError
from albert_tf.serving.merging import likeness, merge, num_rows, row_length, split
from albert_tf.serving.metrics import Metrics
from albert_tf.serving.servable import Servable


class BatchedServable:
    """Runs requests to the same signature together.

    Every input and output of a signature needs a batch dimension, as in TensorFlow Serving.
    Requests of other types or shapes go into other batches; and if a batch fails, its requests
    run one by one, so that a bad request does not spoil its companions'.

    Attributes:
        name, version, signatures: those of the servable.
    """

    def __init__(
        self,
        servable: Servable,
        options: BatchingOptions,
        threads: BatchThreads,
        metrics: Metrics | None = None,
    ):
        self._servable = servable
        self._options = options
        self._threads = threads
        self._metrics = metrics or Metrics()
        self.name, self.version = servable.name, servable.version
        self.signatures = servable.signatures
        # Inputs of a signature -> its queue.
        self._queues: dict[frozenset[str], BatchQueue] = {}
        for signature in servable.signatures.values():
            inputs = frozenset(info.name for info in signature.inputs.values())
            if inputs and inputs not in self._queues:
                self._queues[inputs] = queue = BatchQueue(options, self._process)
                threads.add_queue(queue)

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
        is_wanted: Callable[[], bool] = always,
    ) -> dict[str, np.ndarray]:
        """Runs the graph; as `Servable.run`, and as TensorFlow Serving's batching session.

        Raises:
            ServingError: besides, UNAVAILABLE if too many requests wait, and RESOURCE_EXHAUSTED
                if this one waited in vain.
        """
        queue = self._queues.get(frozenset(feeds))
        rows = num_rows(feeds) if queue is not None else 0
        if rows == 0:
            return self._servable.run(feeds, fetches, timeout)
        fetches = tuple(dict.fromkeys(fetches))
        deadline = None if timeout is None else time.monotonic() + timeout
        pads = self._options.pad_variable_length_inputs
        alike = (likeness(feeds, pads), fetches)
        length = row_length(feeds)
        tasks = [
            Task(piece, len(next(iter(piece.values()))), alike, length, deadline, is_wanted)
            for piece in self._pieces(feeds, rows)
        ]
        self._threads.submit(queue, tasks)
        results = [task.result() for task in tasks]
        if len(results) == 1:
            return results[0]
        return {name: np.concatenate([one[name] for one in results]) for name in fetches}

    def _pieces(self, feeds: Mapping[str, np.ndarray], rows: int) -> list[Mapping]:
        step = self._options.largest_batch
        if rows <= step or not self._options.enable_large_batch_splitting:
            return [feeds]
        return [{n: a[i : i + step] for n, a in feeds.items()} for i in range(0, rows, step)]

    def _process(self, tasks: list[Task]) -> None:
        """Answers the tasks of a batch, all but those that nobody waits for."""
        wanted = []
        for task in tasks:
            if task.is_late() or not task.is_wanted():
                task.fail(too_late(started=False))
            else:
                wanted.append(task)
        if not wanted:
            return
        try:
            results = self._run_batch(wanted)
        except DeadlineExceededError as error:
            # The batch had the time of its most patient request.
            for task in wanted:
                task.fail(error)
        except ServingError as error:
            if len(wanted) == 1:
                wanted[0].fail(error)
            else:
                for task in wanted:
                    self._process([task])
        else:
            for task, outputs in zip(wanted, results, strict=True):
                task.finish(outputs)

    def _run_batch(self, tasks: list[Task]) -> list[dict[str, np.ndarray]]:
        sizes = [task.num_rows for task in tasks]
        size = self._options.padded_size(sum(sizes))
        self._metrics.batch_size.add(size)
        self._metrics.batch_padding.add(size - sum(sizes))
        self._metrics.batch_runs.add()
        feeds = merge([task.feeds for task in tasks], size)
        deadlines = [task.deadline for task in tasks]
        timeout = None if None in deadlines else max(deadlines) - time.monotonic()
        _, fetches = tasks[0].likeness
        return split(self._servable.run(feeds, fetches, timeout), sizes, size)

    def close(self) -> None:
        """Frees the model. Nothing may be running."""
        for queue in self._queues.values():
            self._threads.remove_queue(queue)
        self._servable.close()
