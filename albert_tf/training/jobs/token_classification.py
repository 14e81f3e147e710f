"""Entities and other labels of words: data, model, answers, scores and files."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.data.entities import OUTSIDE, entities_of, is_entity_tag, tags_of
from albert_tf.data.rows import read_rows
from albert_tf.data.tagged_files import read_tagged_texts
from albert_tf.data.tagged_texts import TaggedTexts, ragged
from albert_tf.tasks.token_classifier import AlbertTokenClassifier
from albert_tf.text.words import word_spans
from albert_tf.training.entity_scores import entity_scores, surface_f1
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.name_lookup import known_names, name_tags
from albert_tf.training.jobs.rows import training_rows, write_lines, write_rows
from albert_tf.training.jobs.starts import task_on
from albert_tf.training.report import Compared


@dataclass(frozen=True, kw_only=True)
class TokenClassification(Job):
    """A label for every word (CoNLL 2003, WNUT-17; parts of speech).

    Args:
        word_column, tag_column: of files in CoNLL's columns; see `read_tagged_texts`.
    """

    model_class = "token_classifier"
    answer_key = "entities"

    word_column: int = 0
    tag_column: int = -1

    def read_data(self, path, with_answers=True, class_names=None) -> TaggedTexts:
        """Reads one file by the tags of a model; without answers also a `.txt` of a text a line."""
        if not with_answers and _is_raw(path):
            return self.ask(text=[row["text"] for row in read_rows(path).cells])
        columns = {"word_column": self.word_column, "tag_column": self.tag_column}
        return read_tagged_texts(path, class_names=class_names, with_tags=with_answers, **columns)

    def ask(self, *, text) -> TaggedTexts:
        """Texts from the command line, divided into words as `word_spans` does."""
        starts, ends = (
            np.split(spans.values.numpy(), spans.row_splits.numpy()[1:-1])
            for spans in word_spans(tf.constant(list(text), tf.string))
        )
        return TaggedTexts(list(text), starts, ends)

    def build(self, start, examples, *, tokenizer=None, sequence_length=128, dropout=0.1, **more):
        """The classifier for the tags of `examples`, on `start`; see `task_on`."""
        return task_on(
            AlbertTokenClassifier,
            start,
            tokenizer=tokenizer,
            packing={"sequence_length": sequence_length},
            num_classes=len(examples.class_names),
            class_names=list(examples.class_names),
            dropout=dropout,
            **more,
        )

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, of texts of similar length; see `training_rows`."""
        inputs, labels = examples.inputs(), ragged(examples.labels, np.int32)

        def take(indices):
            x = {name: tf.gather(value, indices) for name, value in inputs.items()}
            return x, tf.gather(labels, indices)

        lengths = np.array([len(text) for text in examples.texts])
        return training_rows(lengths, take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=64) -> list[dict]:
        """What the model says of each text.

        Returns:
            Dictionaries of `text`; `words`; `tags`, one a word; `entities`, as
            `AlbertTokenClassifier.entities` gives them; and `expected`, the tags of `examples`
            where they are known.
        """
        rows = []
        for i, (found, logits) in enumerate(model.answers(examples.inputs(), batch_size)):
            row = {"text": examples.texts[i], "words": examples.words(i)}
            row["tags"] = _whole(model.tags(logits))
            row["entities"] = found
            if examples.labels is not None:
                row["expected"] = examples.tags(i)
            rows.append(row)
        return rows

    def score(self, rows, examples) -> dict[str, float]:
        """Scores of answers; the first one picks the best weights.

        Returns:
            For entities what `entity_scores` gives, `surface_f1`, and `word_accuracy`; for other
            labels `word_accuracy` alone.
        """
        expected = [examples.tags(i) for i in range(len(examples))]
        given = [row["tags"] for row in rows]
        pairs = [
            pair for e, g in zip(expected, given, strict=True) for pair in zip(e, g, strict=True)
        ]
        accuracy = float(np.mean([e == g for e, g in pairs])) if pairs else 0.0
        if not all(map(is_entity_tag, examples.class_names)):
            return {"word_accuracy": accuracy}
        spans = [[entities_of(tags) for tags in side] for side in (expected, given)]
        names = [
            {
                (" ".join(row["words"][first:last]), type)
                for row, entities in zip(rows, side, strict=True)
                for first, last, type in entities
            }
            for side in spans
        ]
        surface = surface_f1(*names)
        return entity_scores(*spans) | {"surface_f1": surface, "word_accuracy": accuracy}

    def baselines(self, train, dev, model):
        """Labels learned by heart: for entities the names seen in training (`lookup`) or none at
        all (`majority`); for other labels the most frequent one of each word, or of all."""
        expected = [train.tags(i) for i in range(len(train))]
        if all(map(is_entity_tag, train.class_names)):
            ways = {"majority": None, "lookup": known_names(train)}
            tagged = {way: name_tags(dev, names or {}) for way, names in ways.items()}
        else:
            most = Counter(tag for tags in expected for tag in tags).most_common(1)[0][0]
            of_word = defaultdict(Counter)
            for i, tags in enumerate(expected):
                for word, tag in zip(train.words(i), tags, strict=True):
                    of_word[word.lower()][tag] += 1
            best = {word: counts.most_common(1)[0][0] for word, counts in of_word.items()}
            tagged = {
                way: [[m.get(word.lower(), most) for word in dev.words(i)] for i in range(len(dev))]
                for way, m in {"majority": {}, "lookup": best}.items()
            }
        return {
            way: self.score(
                [{"words": dev.words(i), "tags": tags} for i, tags in enumerate(rows)], dev
            )
            for way, rows in tagged.items()
        }

    def describe(self, model, train, dev):
        return {
            "classes": list(train.class_names),
            "train_words": sum(map(len, train.starts)),
            "dev_words": sum(map(len, dev.starts)),
        }

    def compare(self, row):
        """The more words are labelled otherwise, the further."""
        sides, given = [row["expected"], row["tags"]], []
        for tags in sides:
            named = [(w, tag) for w, tag in zip(row["words"], tags, strict=True) if tag != OUTSIDE]
            given.append(", ".join(f"{word} {tag}" for word, tag in named) or "(none)")
        error = sum(true != tag for true, tag in zip(*sides, strict=True))
        return Compared(row["text"], *given, error)

    def line(self, row):
        found = "; ".join(f"{e['text']} = {e['label']} ({e['score']:.2f})" for e in row["entities"])
        return f"{found or '(none)'}  <-  {row['text']}"

    def write(self, rows, directory, examples=None):
        """Writes `predictions.conll`, as the scorers of CoNLL and WNUT-17 take it, and JSON lines.

        A line of the former has a word, its tag where that is known, and the model's tag.
        """
        write_rows(rows, Path(directory) / "predictions.jsonl")
        lines = []
        for row in rows:
            columns = [row["words"], *([row["expected"]] if "expected" in row else []), row["tags"]]
            lines += ["\t".join(cells) for cells in zip(*columns, strict=True)] + [""]
        write_lines(lines, Path(directory) / "predictions.conll")


def _whole(tags):
    """Tags for all words: those without a piece lie inside of an entity or outside."""
    if None not in tags and not all(map(is_entity_tag, tags)):
        return tags
    if all(tag is None or is_entity_tag(tag) for tag in tags):
        return tags_of(entities_of(tags), len(tags))
    return [OUTSIDE if tag is None else tag for tag in tags]


def _is_raw(path):
    return Path(str(path).lower().removesuffix(".gz")).suffix == ".txt"
