"""The numbers that steer batching, with TensorFlow Serving's names, defaults and checks."""

import os
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message

from albert_tf.serving.config_files import BatchingParameters, read_message
from albert_tf.serving.errors import invalid_argument

# In a version's directory, with --enable_per_model_batching_parameters.
PER_MODEL_FILE = "batching_params.pbtxt"


@dataclass(frozen=True, kw_only=True)
class BatchingOptions:
    """How requests are put together.

    Attributes:
        max_batch_size: most rows that one request may have, and one batch, unless it is split.
        batch_timeout_micros: how long the first request of a batch waits for company.
        max_enqueued_batches: full batches that may wait; what comes then is refused.
        num_batch_threads: batches that run at once, of all models together.
        thread_pool_name: label of the metric `queuing_latency`.
        allowed_batch_sizes: a batch is filled up to one of these; rising, the last the largest.
        pad_variable_length_inputs: make rows of different shape alike, with the first element of
            each tensor.
        enable_large_batch_splitting: split a request over several batches.
        max_execution_batch_size: with splitting, most rows of one batch.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    thread_pool_name: str = "model_server_batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    def __post_init__(self):
        positive = ("max_batch_size", "num_batch_threads", "max_enqueued_batches")
        for name, least in [(n, 1) for n in positive] + [("batch_timeout_micros", 0)]:
            if getattr(self, name) < least:
                raise invalid_argument(f"{name} must be at least {least}: got {vars(self)[name]}.")
        if self.max_execution_batch_size is not None and not self.enable_large_batch_splitting:
            raise invalid_argument(
                "max_execution_batch_size needs enable_large_batch_splitting { value: true }."
            )
        if not 1 <= self.largest_batch <= self.max_batch_size:
            raise invalid_argument(
                f"max_execution_batch_size must be from 1 to max_batch_size: got "
                f"{self.largest_batch}, max_batch_size {self.max_batch_size}."
            )
        self._check_allowed_sizes()

    def _check_allowed_sizes(self):
        sizes = self.allowed_batch_sizes
        if sizes and list(sizes) != sorted(set(sizes)):
            raise invalid_argument(
                f"allowed_batch_sizes entries must be monotonically increasing: got {list(sizes)}."
            )
        if sizes and sizes[-1] != self.largest_batch:
            split = self.enable_large_batch_splitting
            must = "be equal to max_execution_batch_size" if split else "match max_batch_size"
            raise invalid_argument(
                f"Last entry in allowed_batch_sizes must {must}; last entry was {sizes[-1]}; "
                f"expected {self.largest_batch}"
            )

    @property
    def largest_batch(self) -> int:
        """Most rows of one batch."""
        return self.max_execution_batch_size or self.max_batch_size

    def padded_size(self, num_rows: int) -> int:
        """Returns the allowed batch size that a batch of `num_rows` is filled up to."""
        return next((s for s in self.allowed_batch_sizes if s >= num_rows), num_rows)


def read_batching_options(path: str | Path | None) -> BatchingOptions:
    """Reads a `--batching_parameters_file`; the defaults without one.

    Raises:
        ServingError: the file cannot be read, or its numbers contradict each other.
    """
    return BatchingOptions() if path is None else _options(read_message(path, BatchingParameters))


def options_of_version(directory: Path, common: BatchingOptions) -> BatchingOptions | None:
    """Reads what a version's own directory says; None, for no batching, if it says nothing.

    The threads are shared by all models, so their number is the common one.
    """
    path = directory / PER_MODEL_FILE
    if not path.is_file():
        return None
    parameters = read_message(path, BatchingParameters)
    parameters.num_batch_threads.value = common.num_batch_threads
    parameters.thread_pool_name.value = common.thread_pool_name
    return _options(parameters)


def _options(parameters: Message) -> BatchingOptions:
    values = {}
    for field, value in parameters.ListFields():
        plain = value.value if isinstance(value, Message) else value
        values[field.name] = tuple(plain) if field.name == "allowed_batch_sizes" else plain
    return BatchingOptions(**values)
