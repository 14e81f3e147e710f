"""Holds requests back for a moment, so that several run as one batch.

The limits are TensorFlow Serving's (`batching_options`), and so are the refusals. What is ours is
the choice of companions: a row of a text signature costs what the longest row of its batch costs,
so the oldest request goes with those nearest to it in length.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc
import numpy as np

from albert_tf.serving.batching_options import BatchingOptions
from albert_tf.serving.errors import invalid_argument, serving_error
from albert_tf.serving.metrics import Metrics

# A batch may cost this much more than its rows would cost if none were padded.
PADDING_ALLOWED = 1.25
# What every row costs besides its text: special tokens, and the work that does not depend on it.
ROW_OVERHEAD = 32


def always() -> bool:
    return True


@dataclass(eq=False)
class Task:
    """One request that waits for its batch, or for its answer.

    Attributes:
        feeds: name -> array of `num_rows` rows.
        likeness: requests may share a batch if this is equal.
        row_length: cost of the longest row.
        deadline: `time.monotonic()` at which nobody waits any more; None for never.
        is_wanted: tells whether the client is still there.
    """

    feeds: Mapping[str, np.ndarray]
    num_rows: int
    likeness: tuple
    row_length: int
    deadline: float | None = None
    is_wanted: Callable[[], bool] = always
    arrived: float = field(default_factory=time.monotonic)
    started: bool = False
    _done: threading.Event = field(default_factory=threading.Event)
    _outputs: dict[str, np.ndarray] | None = None
    _error: Exception | None = None

    def finish(self, outputs: dict[str, np.ndarray]) -> None:
        self._outputs = outputs
        self._done.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._done.set()

    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def result(self) -> dict[str, np.ndarray]:
        """Waits for the answer; raises what went wrong, or that it took too long."""
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        if not self._done.wait(left):
            raise too_late(self.started)
        if self._error is not None:
            raise self._error
        return self._outputs


def too_late(started: bool):
    """The error of a request whose time is up, in the queue or in its batch."""
    if started:
        return serving_error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    return serving_error(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Run() timeout exceeded while waiting in batching queue",
    )


def companions(waiting: Sequence[Task], most_rows: int) -> list[Task]:
    """Chooses a batch: the request that has waited longest, and those nearest to it in length.

    Args:
        waiting: requests that may share a batch, the oldest first.
        most_rows: of the batch.
    """
    oldest = waiting[0]
    batch, rows, longest = [oldest], oldest.num_rows, oldest.row_length + ROW_OVERHEAD
    useful = rows * longest
    for task in sorted(waiting[1:], key=lambda task: abs(task.row_length - oldest.row_length)):
        length = task.row_length + ROW_OVERHEAD
        new_rows, new_longest = rows + task.num_rows, max(longest, length)
        new_useful = useful + task.num_rows * length
        if new_rows <= most_rows and new_rows * new_longest <= PADDING_ALLOWED * new_useful:
            batch.append(task)
            rows, longest, useful = new_rows, new_longest, new_useful
    return batch


class BatchQueue:
    """The requests to one signature that wait. Its methods need the lock of its threads."""

    def __init__(self, options: BatchingOptions, process: Callable[[list[Task]], None]):
        self.options = options
        self.process = process
        self._waiting: dict[tuple, list[Task]] = {}
        self.num_rows = 0

    def add(self, tasks: Sequence[Task]) -> None:
        """Takes all tasks, which are pieces of one request, or none; raises if it is full."""
        rows, options = sum(task.num_rows for task in tasks), self.options
        if rows > options.max_batch_size:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size {options.max_batch_size}"
            )
        capacity = options.max_enqueued_batches * options.largest_batch
        if rows > capacity - self.num_rows:
            raise serving_error(grpc.StatusCode.UNAVAILABLE, self._full_message(rows, capacity))
        for task in tasks:
            self._waiting.setdefault(task.likeness, []).append(task)
        self.num_rows += rows

    def _full_message(self, rows: int, capacity: int) -> str:
        options = self.options
        batches = -(-self.num_rows // options.largest_batch)
        start = "The batch scheduling queue to which this task was submitted is full; "
        if options.enable_large_batch_splitting:
            return start + (
                f"task size is {rows} but scheduling capacity is only {capacity - self.num_rows} "
                f"(num_enqueued_batches={batches}, "
                f"max_enqueued_batches={options.max_enqueued_batches}, "
                f"open_batch_size={self.num_rows % options.largest_batch}, "
                f"max_execution_batch_size={options.largest_batch})"
            )
        return start + (
            f"currently {batches} batches enqueued and max_enqueued_batches is "
            f"{options.max_enqueued_batches}"
        )

    def due(self) -> float:
        """Returns when the next batch is ready to run, in `time.monotonic()`."""
        return min(map(self._due, self._waiting.values()), default=float("inf"))

    def _due(self, tasks: list[Task]) -> float:
        if sum(task.num_rows for task in tasks) >= self.options.largest_batch:
            return 0.0
        return tasks[0].arrived + self.options.batch_timeout_micros / 1e6

    def take(self, now: float) -> list[Task]:
        """Removes and returns a batch that is ready; if none is, the one that waited longest."""
        ready = [item for item in self._waiting.items() if self._due(item[1]) <= now]
        # Not the fullest first: there might always be one that is fuller.
        likeness, tasks = min(ready or self._waiting.items(), key=lambda item: item[1][0].arrived)
        batch = companions(tasks, self.options.largest_batch)
        chosen = set(map(id, batch))
        left = [task for task in tasks if id(task) not in chosen]
        if left:
            self._waiting[likeness] = left
        else:
            del self._waiting[likeness]
        self.num_rows -= sum(task.num_rows for task in batch)
        return batch


class BatchThreads:
    """Runs the batches of all queues, the queues in turn. To be closed."""

    def __init__(self, num_threads: int, metrics: Metrics | None = None):
        self._metrics = metrics or Metrics()
        self._queues: list[BatchQueue] = []
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def add_queue(self, queue: BatchQueue) -> None:
        with self._changed:
            self._queues.append(queue)

    def remove_queue(self, queue: BatchQueue) -> None:
        """To be called when nobody waits in it."""
        with self._changed:
            self._queues.remove(queue)

    def submit(self, queue: BatchQueue, tasks: Sequence[Task]) -> None:
        """Puts the pieces of a request into a queue; raises ServingError if it is full."""
        with self._changed:
            queue.add(tasks)
            self._changed.notify()

    def close(self) -> None:
        """Runs what still waits, then ends the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (found := self._next_batch()) is not None:
            queue, batch = found
            now = time.monotonic()
            for task in batch:
                task.started = True
                waited = 1e6 * (now - task.arrived)
                self._metrics.queueing.add(waited, queue.options.thread_pool_name)
            try:
                queue.process(batch)
            except Exception as error:
                # Whatever it is, the threads that wait for an answer raise it; this one goes on.
                for task in batch:
                    task.fail(error)

    def _next_batch(self) -> tuple[BatchQueue, list[Task]] | None:
        """Waits for a batch that is ready; None when there will be no more."""
        with self._changed:
            while True:
                now = time.monotonic()
                dues = [queue.due() for queue in self._queues]
                for number, due in enumerate(dues):
                    if due <= now or (self._closing and due < float("inf")):
                        queue = self._queues.pop(number)
                        # To the end of the line: no queue keeps the others waiting.
                        self._queues.append(queue)
                        batch = queue.take(now)
                        self._changed.notify()
                        return queue, batch
                if self._closing:
                    return None
                soonest = min(dues, default=float("inf"))
                self._changed.wait(None if soonest == float("inf") else soonest - now)
