"""Trains on two logical devices and on one, and prints by how much the results differ, as JSON.

A process of its own: devices must be set before TensorFlow starts.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.layers.dropout import dropout, pass_seed, seed_generator
from albert_tf.layers.training_pass import training_pass
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.lamb import Lamb

ROWS, MASKED, STEPS = 4, 3, 3


def batches():
    """Batches whose second half masks three times as much as the first, and has all the pairs."""
    rng = np.random.default_rng(0)
    rows = STEPS * ROWS
    ids = rng.integers(5, 20, (rows, 8)).astype("int32")
    x = {"token_ids": ids, "segment_ids": ids % 2, "padding_mask": np.ones_like(ids)}
    x["mask_positions"] = rng.integers(0, 8, (rows, MASKED)).astype("int32")
    y = {
        "mlm_logits": rng.integers(5, 20, (rows, MASKED)).astype("int32"),
        "sop_logits": rng.integers(0, 2, rows).astype("int32"),
    }
    weights = {"mlm_logits": np.ones((rows, MASKED), "float32"), "sop_logits": np.ones(rows)}
    first_half = np.arange(rows) % ROWS < ROWS // 2
    weights["mlm_logits"][first_half, 1:] = 0
    weights["sop_logits"][first_half] = 0
    return tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(ROWS, drop_remainder=True)


def train(make, config, strategy):
    """Weights and logs after all steps; with AdamW the moving averages of the weights."""
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = AlbertPretrainer(AlbertBackbone(config))
        # Three steps on one device are over before their graph would be traced.
        eager = strategy.num_replicas_in_sync == 1
        optimizer = make(0.01, global_clipnorm=0.5, use_ema=make is AdamW, ema_momentum=0.5)
        model.compile(optimizer, run_eagerly=eager)
    history = model.fit(batches(), verbose=0, shuffle=False).history
    return model.get_weights(), {name: values[0] for name, values in history.items()}


def masks_of(strategy, step):
    """Which of 10,000 entries each replica keeps."""

    def kept():
        with training_pass(seed=0, step=step):
            seed = pass_seed(seed_generator(0.5), training=True)
        return dropout(tf.ones(10_000), 0.5, seed, 0) > 0

    return np.array(strategy.experimental_local_results(strategy.run(kept)))


def agreement(masks, others):
    return float((masks == others).mean())


def message_of_accumulation(strategy):
    with strategy.scope():
        optimizer = Lamb(0.01, gradient_accumulation_steps=4)
        try:
            optimizer.build([keras.Variable([1.0])])
        except ValueError as error:
            return str(error)


def main(config_path, name):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    config = AlbertConfig.from_json(config_path)
    two = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    masks = [masks_of(two, step) for step in (1, 1, 2)]
    found = {
        "refusal": message_of_accumulation(two),
        "masks_of_replicas_agree": agreement(*masks[0]),
        "masks_of_a_step_repeated_agree": agreement(masks[0], masks[1]),
        "masks_of_two_steps_agree": agreement(masks[0], masks[2]),
    }
    make = {"adamw": AdamW, "lamb": Lamb}[name]
    weights, logs = train(make, config, tf.distribute.get_strategy())
    weights_of_two, logs_of_two = train(make, config, two)
    pairs = zip(weights, weights_of_two, strict=True)
    difference = max(float(np.abs(one - two).max()) for one, two in pairs)
    found |= {"difference": difference, "logs": logs, "logs_of_two": logs_of_two}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
