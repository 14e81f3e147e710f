"""Takes a step on two logical devices and one on one, task by task, and prints how far they differ.

A process of its own: devices must be set before TensorFlow starts.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

import albert_tf
from albert_tf.models.backbone import AlbertBackbone

# Long texts stand in the half of the batch that the second device gets.
TEXTS = ["a cat", "dogs", "a dull story that never finds its end", "open the file and read it"]
WORDS = [text.split() for text in TEXTS]
ASKED = {"question": ["what?"] * 4, "context": TEXTS}
SPANS = {"answer_text": ["cat", "dogs", "", "file"], "answer_start": [2, 0, -1, 9]}
LABELS = [[len(word) % 2 for word in row] for row in WORDS]
TWO = {"num_classes": 2, "dropout": 0.0}
# Class, its arguments, those of its preprocessor, x, y, sample_weight.
TASKS = {
    "three rows, weighted": (
        "AlbertTextClassifier",
        TWO,
        {},
        TEXTS[:3],
        [0, 1, 1],
        [1.0, 3.0, 0.5],
    ),
    "one row": ("AlbertTextClassifier", TWO, {}, TEXTS[:1], [1], None),
    "words": (
        "AlbertTokenClassifier",
        TWO,
        {"sequence_length": 12},
        {"words": WORDS},
        LABELS,
        None,
    ),
    "answers": (
        *("AlbertQuestionAnswering", {}, {"sequence_length": 18, "doc_stride": 4}),
        *(ASKED, SPANS, None),
    ),
    "written": ("AlbertSeq2SeqLM", {"label_smoothing": 0.1}, {}, TEXTS, TEXTS, None),
}


def make(config, tokenizer, name, arguments, packing):
    keras.utils.set_random_seed(0)
    cls = getattr(albert_tf, name)
    preprocessor = cls.preprocessor_cls(tokenizer, **{"sequence_length": 40} | packing)
    model = cls(AlbertBackbone(config), preprocessor=preprocessor, **arguments)
    # A step on one device is over before its graph would be traced.
    eager = tf.distribute.get_strategy().num_replicas_in_sync == 1
    # No clipping and no moments: a loss of another size takes another step.
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False, run_eagerly=eager)
    return model


def step(strategy, config, tokenizer, task):
    """What the weights move by, the loss, and the model."""
    name, arguments, packing, x, y, sample_weight = task
    with strategy.scope():
        model = make(config, tokenizer, name, arguments, packing)
    before = [np.array(weight) for weight in model.trainable_variables]
    more = {} if sample_weight is None else {"sample_weight": np.array(sample_weight)}
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0, **more).history
    moves = [np.array(w) - b for w, b in zip(model.trainable_variables, before, strict=True)]
    return moves, history["loss"][0], model


def main(config_path, vocabulary):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    config = albert_tf.AlbertConfig.from_json(config_path)
    tokenizer = albert_tf.AlbertTokenizer(vocabulary)
    two = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    found = {}
    for name, task in TASKS.items():
        moves, loss, model = step(tf.distribute.get_strategy(), config, tokenizer, task)
        moves_of_two, loss_of_two, mirrored = step(two, config, tokenizer, task)
        largest = max(float(np.abs(move).max()) for move in moves)
        pairs = zip(moves, moves_of_two, strict=True)
        apart = max(float(np.abs(one - both).max()) for one, both in pairs)
        found[name] = {"apart": apart / largest, "loss": loss, "loss_of_two": loss_of_two}
        if name in ("one row", "words"):
            answers = (np.concatenate(list(m.predict(task[3]))) for m in (model, mirrored))
            found[name]["answers_apart"] = float(np.abs(np.subtract(*answers)).max())
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
