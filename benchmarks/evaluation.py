"""Classifies SST-2's dev sentences beside keras_hub: `python benchmarks/evaluation.py --sst-2 DIR`.

Both classifiers have the weights and the vocabulary of `--from`, answer the same raw strings in
batches of 32 through `predict`, and must give the same logits. keras_hub pads every row to its
`sequence_length`: once 128, once no longer than the longest sentence needs. Ours pads to the
longest row of a batch. They take turns, so that a busy neighbour slows all; the first turn, which
compiles, does not count.
"""

import argparse
import csv
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_hub
import numpy as np
from rich.console import Console
from rich.table import Table

from albert_tf.checkpoints import keras_hub_preset
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tokenizer import AlbertTokenizer

SEQUENCE_LENGTH, BATCH_SIZE = 128, 32
# Other order of sums.
TOLERANCE = 1e-4


def sentences(folder):
    """SST-2's dev sentences; keras_hub's tokenizer does not lower-case, so they must be lower."""
    with open(folder / "dev.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["sentence"].strip().lower() for row in rows]


def read_alike(texts, proto):
    """The texts that keras_hub's tokenizer, which cleans nothing up, reads as ours does."""
    ours, theirs = AlbertTokenizer(proto), keras_hub.models.AlbertTokenizer(proto)
    pairs = zip(texts, ours(texts), theirs(texts), strict=True)
    return [text for text, mine, other in pairs if np.array_equal(mine, other)]


def keras_hub_twin(ours, sequence_length):
    """keras_hub's classifier with the weights, head and vocabulary of ours."""
    tokenizer = keras_hub.models.AlbertTokenizer(ours.preprocessor.tokenizer.proto)
    preprocessor = keras_hub.models.AlbertTextClassifierPreprocessor(
        tokenizer, sequence_length=sequence_length
    )
    theirs = keras_hub.models.AlbertTextClassifier(
        keras_hub_preset.build(ours.backbone), num_classes=2, preprocessor=preprocessor
    )
    theirs.get_layer("logits").set_weights(ours.head.get_weights())
    return theirs


def timed(model, texts):
    """Logits, and microseconds a sentence by the wall and of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    logits = model.predict(texts, batch_size=BATCH_SIZE, verbose=0)
    spent = time.perf_counter() - wall, time.process_time() - processor
    return logits, [1e6 * seconds / len(texts) for seconds in spent]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sst-2", dest="folder", type=Path, required=True, help="with dev.tsv")
    parser.add_argument("--from", dest="start", default="books_small", help="pretrained model")
    parser.add_argument("--repeats", type=int, default=5, help="timed turns of each")
    arguments = parser.parse_args()
    ours = AlbertTextClassifier.from_preset(
        arguments.start, num_classes=2, sequence_length=SEQUENCE_LENGTH
    )
    texts = read_alike(sentences(arguments.folder), ours.preprocessor.tokenizer.proto)
    longest = max(map(len, ours.preprocessor.tokenizer(texts))) + len(["[CLS]", "[SEP]"])
    models = {
        "ours": ours,
        f"keras_hub, {SEQUENCE_LENGTH}": keras_hub_twin(ours, SEQUENCE_LENGTH),
        f"keras_hub, {longest}": keras_hub_twin(ours, longest),
    }
    expected, _ = timed(ours, texts)
    for model in models.values():
        logits, _ = timed(model, texts)
        np.testing.assert_allclose(logits, expected, atol=TOLERANCE)
    turns = [
        {name: timed(model, texts)[1] for name, model in models.items()}
        for _ in range(arguments.repeats)
    ]
    table = Table(
        "classifier",
        "us a sentence",
        "CPU us a sentence",
        "x ours, CPU",
        title=f"{len(texts)} sentences",
    )
    for name in models:
        wall, processor = (statistics.median(turn[name][i] for turn in turns) for i in (0, 1))
        ratio = statistics.median(turn[name][1] / turn["ours"][1] for turn in turns)
        table.add_row(name, f"{wall:.0f}", f"{processor:.0f}", f"{ratio:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
