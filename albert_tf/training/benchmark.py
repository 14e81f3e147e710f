"""How fast an encoder is on this machine, beside keras_hub's ALBERT of the same shape."""

import statistics
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from albert_tf.checkpoints import keras_hub_preset
from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.training.pretraining.throughput import matrix_peak, training_flops_per_row


def benchmark(
    config: AlbertConfig,
    *,
    rows: int,
    sequence_length: int,
    policy: str = "float32",
    training: bool = False,
    repeats: int = 15,
    others: Mapping[str, Callable] | None = None,
) -> list[dict]:
    """Times one shape of batch, full rows of random ids, on fresh weights.

    The calls of all models are interleaved, so that a busy neighbour slows them alike: the ratio
    is the figure to trust.

    Args:
        config: the encoder.
        rows, sequence_length: of the batch.
        policy: Keras dtype policy.
        training: time forward and backward together, without an optimizer.
        repeats: timed calls of each, after two that are not.
        others: name -> maker of further calls to time, as `our_call`.

    Returns:
        A row a model, ours first: `encoder`; `seconds`, the median of a call; `fastest`;
        `tokens_per_second`; `share_of_matrix_peak`, of what one large product reaches;
        `time_beside_ours`, a ratio of medians.

    Raises:
        ValueError: a row is longer than the positions of the model.
    """
    if sequence_length > config.max_position_embeddings:
        raise ValueError(
            f"The model has {config.max_position_embeddings} positions: got rows of "
            f"{sequence_length} tokens."
        )
    makers = {"albert_tf": our_call, "keras_hub": keras_hub_call} | dict(others or {})
    batch = full_rows(config, rows, sequence_length)
    calls = {name: make(config, policy, batch, training) for name, make in makers.items()}
    measured = interleaved(calls, repeats)
    on_accelerator = bool(tf.config.list_physical_devices("GPU"))
    peak = matrix_peak(keras.DTypePolicy(policy).compute_dtype, on_accelerator)
    operations = rows * training_flops_per_row(config, sequence_length, 0) / (1 if training else 3)
    mine = statistics.median(measured["albert_tf"])
    found = []
    for name, seconds in measured.items():
        median = statistics.median(seconds)
        found.append(
            {
                "encoder": name,
                "seconds": median,
                "fastest": min(seconds),
                "tokens_per_second": rows * sequence_length / median,
                "share_of_matrix_peak": operations / median / peak,
                "time_beside_ours": median / mine,
            }
        )
    return found


def full_rows(config: AlbertConfig, rows: int, sequence_length: int) -> dict[str, np.ndarray]:
    """A batch without padding, of random ids, in the fields that both encoders take."""
    ids = np.random.default_rng(0).integers(5, config.vocab_size, (rows, sequence_length))
    ids = ids.astype("int32")
    return {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }


def our_call(config: AlbertConfig, policy: str, batch: dict, training: bool) -> Callable:
    """One pass of our encoder on fresh weights; it returns when the result is there."""
    return compiled_call(AlbertBackbone(config, dtype=policy), batch, training)


def keras_hub_call(config: AlbertConfig, policy: str, batch: dict, training: bool) -> Callable:
    """One pass of keras_hub's ALBERT of the same shape, likewise."""
    return compiled_call(keras_hub_preset.twin(config, policy), batch, training)


def compiled_call(model, batch: dict, training: bool) -> Callable:
    """A compiled forward pass, or forward and backward for a mean of squares."""
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    weights = [variable.value for variable in model.trainable_variables]

    @tf.function
    def forward():
        return model(tensors, training=False)["sequence_output"]

    @tf.function
    def update():
        with tf.GradientTape() as tape:
            hidden = model(tensors, training=True)["sequence_output"]
            loss = tf.reduce_mean(tf.square(tf.cast(hidden, tf.float32)))
        found = tape.gradient(loss, weights, unconnected_gradients="zero")
        return [tf.reduce_sum(gradient) for gradient in map(tf.convert_to_tensor, found)]

    step = update if training else forward
    return lambda: tf.nest.map_structure(lambda tensor: tensor.numpy(), step())


def interleaved(calls: Mapping[str, Callable], repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, one of each in turn, after two of each that do not count."""
    for call in calls.values():
        call()
        call()
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return seconds
