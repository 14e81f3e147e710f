"""Early exit on SST-2: depth against quality, and the time it saves.

    python benchmarks/early_exit.py --sst-2 GLUE/SST-2 --from PRESET --out DIR

Trains an `AlbertEarlyExitClassifier` (or takes the one in DIR), and prints a table: accuracy of
each depth; and for each patience accuracy, mean depth, and sentences a second beside the plain
classifier on the same weights. Everything is timed in turn, several times; medians count. The
table goes to DIR/early_exit.md, the numbers to DIR/early_exit.json.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from albert_tf.checkpoints.files import find_checkpoint
from albert_tf.data.tables import read_examples
from albert_tf.optimizers.defaults import fine_tuning_optimizer
from albert_tf.staging import new_file
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier
from albert_tf.tasks.raw_batches import raw_batches
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor
from albert_tf.text.nested import as_text
from albert_tf.training.jobs.rows import training_rows

CLASSES = ("negative", "positive")


def sentences(path, limit=None):
    examples = read_examples(path, text="sentence", label="label", class_names=("0", "1"))
    return examples.take(slice(limit))


def trained(arguments):
    """The classifier in the output directory; it is trained where there is none."""
    directory = arguments.out / "model"
    if (directory / "config.json").is_file():
        return AlbertEarlyExitClassifier.from_preset(str(directory))
    keras.utils.set_random_seed(arguments.seed)
    start = find_checkpoint(arguments.start)
    model = AlbertEarlyExitClassifier.from_preset(
        str(start.weights), num_classes=2, class_names=list(CLASSES)
    )
    model.preprocessor = AlbertTextClassifierPreprocessor(
        model.preprocessor.tokenizer, arguments.sequence_length
    )
    examples = sentences(arguments.sst2 / "train.tsv", arguments.limit)
    texts, labels = as_text(examples.texts), tf.constant(examples.labels)
    lengths = np.array([len(text) for text in examples.texts])
    batches = training_rows(
        lengths,
        lambda indices: (tf.gather(texts, indices), tf.gather(labels, indices)),
        arguments.batch_size,
        arguments.epochs,
        arguments.seed,
    )
    model.compile(optimizer=fine_tuning_optimizer(len(batches), arguments.learning_rate))
    model.fit(batches, verbose=2)
    model.save_to_preset(directory)
    return model


def plain_of(model):
    """The classifier that reads the last depth alone, on the same weights."""
    plain = AlbertTextClassifier(model.backbone, 2, model.preprocessor)
    plain.head.set_weights(model.heads[-1].get_weights())
    return plain


def plain_answers(plain, texts, batch_size):
    found = {}
    for indices, batch in raw_batches(as_text(texts), batch_size):
        logits = keras.Model.predict_on_batch(plain, plain.preprocessor(batch))
        found |= dict(zip(indices.tolist(), logits, strict=True))
    return np.stack([found[i] for i in range(len(found))])


def depth_accuracies(model, texts, labels, batch_size):
    """The accuracy of every depth's head."""
    right = np.zeros(len(model.heads))
    for indices, batch in raw_batches(as_text(texts), batch_size):
        logits = np.array(keras.Model.predict_on_batch(model, model.preprocessor(batch)))
        right += (logits.argmax(-1) == labels[indices][:, None]).sum(0)
    return (right / len(labels)).tolist()


def measured(model, texts, labels, arguments):
    """Accuracy, mean depth and seconds of every patience; and of the plain classifier."""
    plain = plain_of(model)
    settings = ["plain", None, *range(1, len(model.heads))]
    rows = {setting: {"seconds": []} for setting in settings}
    for repeat in range(arguments.repeats + 1):
        for setting in settings:
            start = time.perf_counter()
            if setting == "plain":
                logits = plain_answers(plain, texts, arguments.batch_size)
                depths = np.full(len(texts), len(model.heads))
            else:
                model.patience = setting
                logits, depths = model.predict_with_depths(texts, arguments.batch_size)
            seconds = time.perf_counter() - start
            if repeat == 0:  # graphs are traced
                rows[setting]["accuracy"] = float(np.mean(logits.argmax(-1) == labels))
                rows[setting]["mean_depth"] = float(np.mean(depths))
            else:
                rows[setting]["seconds"].append(seconds)
    return rows


def table(accuracies, rows, num_texts):
    lines = ["| depth | accuracy of its head |", "| --- | --- |"]
    lines += [f"| {i + 1} | {accuracy:.4f} |" for i, accuracy in enumerate(accuracies)]
    lines += ["", "| patience | accuracy | mean depth | sentences/s | against plain |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    base = statistics.median(rows["plain"]["seconds"])
    for setting, row in rows.items():
        name = {"plain": "plain classifier", None: "off"}.get(setting, setting)
        seconds = statistics.median(row["seconds"])
        lines.append(
            f"| {name} | {row['accuracy']:.4f} | {row['mean_depth']:.2f} | "
            f"{num_texts / seconds:.0f} | {base / seconds:.2f}x |"
        )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sst-2", dest="sst2", type=Path, required=True, help="folder of SST-2")
    parser.add_argument("--from", dest="start", default="books_small", help="pretrained model")
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="training sentences (default: all)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--sequence-length", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    model = trained(arguments)
    dev = sentences(arguments.sst2 / "dev.tsv")
    accuracies = depth_accuracies(model, dev.texts, dev.labels, arguments.batch_size)
    rows = measured(model, dev.texts, dev.labels, arguments)
    text = table(accuracies, rows, len(dev))
    numbers = {"depths": accuracies, "patience": {str(k): row for k, row in rows.items()}}
    for name, content in (
        ("early_exit.md", text),
        ("early_exit.json", json.dumps(numbers, indent=2)),
    ):
        with new_file(arguments.out / name, overwrite=True) as staged:
            staged.write_text(content, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
