"""Does a TFLite file say what the Keras model says?"""

import numpy as np
import tensorflow as tf

from albert_tf.exporting import fresh_process as fresh
from albert_tf.exporting.answers.classes import as_arrays
from albert_tf.exporting.mobile.requests import with_mask
from albert_tf.exporting.verification import compare

# float32: the same products in another order. float16 keeps 11 bits of a weight; 8-bit weights
# have 127 steps for the largest of a matrix, and 8-bit activations 255 for all that were seen.
TOLERANCES = {"none": 1e-4, "float16": 1e-2, "dynamic": 6e-2, "int8": 3e-1}


def verify_tflite(answers, path, quantization, rows, *, features=False, requests=None):
    """Runs a file in a process with the light runtime alone, and compares it with Keras.

    Args:
        answers: `Answers` of the Keras model.
        path: of the file.
        quantization: that it was converted with: tells how close the numbers must be.
        rows: `MobileRows`.
        features: whether the file has that signature.
        requests: `Requests` for the signature `text`; None where there is none. It runs in a
            process of its own, as the ops of tensorflow-text bring TensorFlow with them.

    Returns:
        Signature -> largest difference, as a share of the largest number of the answer, or of 1.

    Raises:
        ExportMismatchError: the answers differ by more than `TOLERANCES`.
        FreshProcessError: the file does not load or run there.
    """
    calls, expected = {}, {}
    for number, inputs in enumerate(rows):
        ids = {name: tf.constant(value) for name, value in with_mask(inputs).items()}
        key = f"tokens, row {number}"
        calls[key] = "tokens", inputs
        expected[key] = as_arrays(answers.numbers(answers.run(answers.model, ids)))
        if features:
            key = f"features, row {number}"
            calls[key] = "features", _backbone_inputs(inputs)
            backbone = getattr(answers.model, "backbone", answers.model)
            ids = {n: tf.constant(v) for n, v in with_mask(calls[key][1]).items()}
            expected[key] = as_arrays(backbone(ids, training=False))
    report = fresh.ask("lite", {"path": str(path), "calls": calls})
    heavy = {"tensorflow", "keras"} & {name.split(".")[0] for name in report["modules"]}
    if heavy:
        raise fresh.FreshProcessError(f"The light runtime must not load {', '.join(heavy)}.")
    got = report["answers"]
    if requests is not None:
        feeds = _cut_to(requests["serving_default"].feeds, rows.batch_size)
        calls = {f"text, row {number}": ("text", inputs) for number, inputs in enumerate(feeds)}
        asked = {"path": str(path), "calls": calls, "with_text_ops": True}
        got |= fresh.ask("lite", asked)["answers"]
        for key in calls:
            # The same rows in the same order, so that their ids must be the same, too.
            expected[key] = expected[key.replace("text", "tokens")]
    is_exact = quantization == "none"
    differences = compare(
        expected,
        got,
        TOLERANCES[quantization],
        exact=is_exact,
        moving=set(expected) if answers.answers_move else set(),
        path=path,
    )
    worst = {}
    for key, difference in differences.items():
        signature = key.partition(",")[0]
        worst[signature] = max(worst.get(signature, 0.0), difference)
    return worst


def _cut_to(feeds, batch_size):
    """Texts in batches, the last one filled up with rows from the beginning."""
    num_rows = len(next(iter(feeds.values())))
    for start in range(0, num_rows, batch_size):
        rows = [row % num_rows for row in range(start, start + batch_size)]
        yield {
            name: np.array([tf.compat.as_bytes(values[row]) for row in rows])
            for name, values in feeds.items()
        }


def _backbone_inputs(inputs):
    """The rows of a task as its backbone takes them: of several choices the first."""
    num_rows = len(inputs["token_ids"])
    rows = {}
    for name, values in inputs.items():
        if name != "mask_positions":
            width = () if name == "input_length" else values.shape[-1:]
            rows[name] = values.reshape(-1, *width)[:num_rows]
    return rows
