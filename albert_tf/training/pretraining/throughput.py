"""How fast a run is, and how much of what the machine can do."""

import contextlib
import time
from typing import NamedTuple

import numpy as np
from keras import ops

from albert_tf.config import AlbertConfig

# Rows and columns of a product that keeps the device busy, and how many follow one another.
_SIZES = {True: (8192, 8), False: (2048, 1)}


class RowCost(NamedTuple):
    """What one row of a batch takes in training: tokens, and floating-point operations."""

    tokens: int
    operations: int


class Pace:
    """Measures speed between measurements, without breaks and without the first update.

    The first update of a sitting takes long, since it is compiled.

    Args:
        batch_size: rows an update.
        row_cost: `RowCost`.
        matrix_peak: operations a second that the machine can do at best.
    """

    def __init__(self, batch_size, row_cost, matrix_peak):
        self.batch_size, self.row_cost, self.matrix_peak = batch_size, row_cost, matrix_peak
        self._since = None

    def start(self, step):
        """Begins to count, after so many updates."""
        self._since = time.perf_counter(), step

    @contextlib.contextmanager
    def break_taken(self):
        """Time within it does not count."""
        started = time.perf_counter()
        yield
        if self._since is not None:
            begin, step = self._since
            self._since = begin + time.perf_counter() - started, step

    def measure(self, step) -> dict[str, float]:
        """`tokens_per_second` and `share_of_matrix_peak` since the last time; {} at the start."""
        if self._since is None or self._since[1] == step:
            return {}
        begin, first = self._since
        self.start(step)
        rows = (step - first) * self.batch_size / (self._since[0] - begin)
        return {
            "tokens_per_second": rows * self.row_cost.tokens,
            "share_of_matrix_peak": rows * self.row_cost.operations / self.matrix_peak,
        }


def training_flops_per_row(config: AlbertConfig, sequence_length: int, num_predictions: int):
    """Operations of the products in one update, for one row; backward counts as two forwards.

    Only the products that the model asks for count: recomputing is no use, so it adds nothing.

    Args:
        config: the model.
        sequence_length: tokens of a row, padding included, which is computed too.
        num_predictions: masked positions of a row, padding included.

    Returns:
        Floating-point operations; a product of n terms has 2n.
    """
    h, e = config.hidden_size, config.embedding_size
    layers = config.num_hidden_layers * config.inner_group_num
    per_token = layers * (4 * h * h + 2 * h * config.intermediate_size + 2 * sequence_length * h)
    if config.has_projection:
        per_token += e * h
    per_prediction = h * e + e * config.vocab_size
    per_row = h * h + 2 * h
    products = sequence_length * per_token + num_predictions * per_prediction + per_row
    return 3 * 2 * products


def matrix_peak(dtype, on_accelerator, repeats=5) -> float:
    """Operations a second of large square products on the first device of the backend.

    Args:
        dtype: of the factors, for example `bfloat16`.
        on_accelerator: whether that device is more than a processor.
        repeats: the fastest of so many counts.
    """
    size, chain = _SIZES[on_accelerator]
    values = np.random.default_rng(0).normal(size=(size, size)) / size**0.5
    factor = ops.cast(ops.convert_to_tensor(values.astype("float32")), dtype)

    def seconds():
        started = time.perf_counter()
        product = factor
        for _ in range(chain):
            product = ops.matmul(product, factor)
        float(product[0, 0])  # waits until it is done
        return time.perf_counter() - started

    seconds()
    return 2 * size**3 * chain / min(seconds() for _ in range(repeats))
