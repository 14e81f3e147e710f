"""The text of the quickstart: what to pretrain on, and descriptions to tell apart."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from albert_tf.data import docstrings
from albert_tf.data.tables import Examples
from albert_tf.quickstart.scale import Scale
from albert_tf.staging import new_file


@dataclass(frozen=True)
class Corpus:
    """The text of a run: some to read, and three parts to tell apart.

    Args:
        documents: lists of sentences, one list a source file.
        train, dev, test: labelled descriptions; only those of `train` stand in `documents`.
    """

    documents: list[list[str]]
    train: Examples
    dev: Examples
    test: Examples


def gather(scale: Scale, seed: int = 0, console: Console | None = None) -> Corpus:
    """Reads the packages, chooses the classes and draws the labelled examples.

    Args:
        scale: how much of everything.
        seed: of the draw.
        console: to draw progress on; None for none.
    """
    console = console or Console(quiet=True)
    packages = track(scale.packages, "reading", console=console, disable=console.quiet)
    found = [text for package in packages for text in docstrings.read_package(package)]
    train, dev, test = docstrings.split_by_file(docstrings.drop_repeats(found))
    classes = docstrings.richest_packages(train, scale.num_classes, scale.min_words)
    rng = np.random.default_rng(seed)

    def draw(part, per_class):
        texts, labels = docstrings.labelled_examples(part, classes, per_class, rng, scale.min_words)
        return Examples(texts, labels=labels, class_names=tuple(classes))

    return Corpus(
        docstrings.documents(train),
        draw(train, scale.train_per_class),
        draw(dev, scale.dev_per_class),
        draw(test, scale.test_per_class),
    )


def write_corpus(corpus: Corpus, folder: Path):
    """Writes the pretraining text, one sentence a line, and the examples as JSON lines."""
    with new_file(folder / "corpus.txt") as staged:
        documents = ("\n".join(document) for document in corpus.documents)
        staged.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    for name in ("train", "dev", "test"):
        examples = getattr(corpus, name)
        rows = (
            json.dumps({"text": text, "label": examples.class_names[label]})
            for text, label in zip(examples.texts, examples.labels, strict=True)
        )
        with new_file(folder / f"{name}.jsonl") as staged:
            staged.write_text("\n".join(rows) + "\n", encoding="utf-8")


def majority_accuracy(corpus: Corpus) -> float:
    """Share of the test examples that the most frequent class of training gets right."""
    return float(np.mean(corpus.test.labels == np.bincount(corpus.train.labels).argmax()))
