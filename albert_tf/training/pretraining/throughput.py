"""How fast a run is, and how much of what the machine can do."""

import time

import numpy as np
import tensorflow as tf

from albert_tf.config import AlbertConfig


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


def matrix_peak(dtype, size=2048, repeats=5):
    """Operations a second of one large square product on the first accelerator or the processor.

    Args:
        dtype: of the factors, for example `bfloat16`.
        size: rows and columns.
        repeats: the fastest of so many counts.
    """
    factor = tf.cast(tf.constant(np.random.default_rng(0).normal(size=(size, size))), dtype)

    @tf.function
    def product():
        return tf.reduce_sum(tf.matmul(factor, factor))

    product().numpy()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        product().numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)
