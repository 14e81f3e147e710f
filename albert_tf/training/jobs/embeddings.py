"""Texts as vectors: pairs to learn from, cosines, scores and files."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from albert_tf.data.tables import Examples, read_examples
from albert_tf.metrics import scores
from albert_tf.tasks.text_embedder import AlbertTextEmbedder
from albert_tf.tasks.text_embedder_losses import CosineError
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.overlap import shared_fraction
from albert_tf.training.jobs.rows import training_rows
from albert_tf.training.jobs.starts import task_on
from albert_tf.training.report import Compared

OBJECTIVES = ("contrastive", "cosine")


@dataclass(frozen=True, kw_only=True)
class Embeddings(Job):
    """How alike two texts are, by the cosine of their vectors (STS-B; any pairs).

    Args:
        text, text_pair: columns of the texts.
        label: column of how alike they are, a number; None where every pair belongs together.
        max_score: the score of texts that mean the same; the least is 0. STS-B has 5.
        header: whether the first row of a TSV or CSV file names its columns.
        objective: `contrastive`, to tell the partner from all others of a batch, or `cosine`, to
            come near the score.
        min_positive: with `contrastive`, a pair with a lower score is not trained on.
    """

    model_class = "text_embedder"
    answer_key = "cosine"

    text: str = "text"
    text_pair: str = "text_pair"
    label: str | None = None
    header: bool = True
    max_score: float = 5.0
    objective: str = "contrastive"
    min_positive: float = 4.0

    def __post_init__(self):
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"objective must be one of {', '.join(OBJECTIVES)}: got {self.objective!r}."
            )
        if self.objective == "cosine" and self.label is None:
            raise ValueError("The objective cosine needs scores: name their column.")

    def read_data(self, path, with_answers=True, class_names=None) -> Examples:
        """Reads the pairs of a TSV, CSV or JSON-lines file, scores as numbers from 0 to 1.

        Raises:
            FileNotFoundError: no such file.
            ValueError: see `read_examples`; or a score is not in its range.
        """
        label = self.label if with_answers else None
        columns = {"text": self.text, "text_pair": self.text_pair, "label": label}
        examples = read_examples(path, problem="regression", header=self.header, **columns)
        if examples.labels is None:
            return examples
        outside = np.flatnonzero((examples.labels < 0) | (examples.labels > self.max_score))
        if len(outside):
            raise ValueError(
                f"{path}: scores must lie between 0 and {self.max_score:g}: got "
                f"{examples.labels[outside[0]]:g} for {examples.texts[outside[0]]!r}, and "
                f"{len(outside) - 1} more. Set max_score."
            )
        return Examples(examples.texts, examples.text_pairs, examples.labels / self.max_score)

    def ask(self, *, text, text_pair) -> Examples:
        """Pairs from the command line, to compare."""
        if len(text) != len(text_pair):
            raise ValueError(
                f"--text-pair must come once for each --text: got {len(text_pair)} for {len(text)}."
            )
        return Examples(list(text), list(text_pair))

    def texts(self, examples):
        return examples.texts + examples.text_pairs

    def to_train_on(self, examples) -> Examples:
        """The pairs to train on: all for `cosine`, those that belong together for `contrastive`.

        Raises:
            ValueError: there is none.
        """
        if self.objective == "cosine" or examples.labels is None:
            return examples
        kept = np.flatnonzero(examples.labels >= self.min_positive / self.max_score)
        if not len(kept):
            raise ValueError(
                f"Contrastive training needs pairs that belong together: none of {len(examples)} "
                f"has a score of at least {self.min_positive:g}. Lower min_positive."
            )
        return examples.take(kept)

    def build(
        self,
        start,
        examples=None,
        *,
        tokenizer=None,
        sequence_length=128,
        pooling=None,
        temperature=None,
        **more,
    ):
        """The embedder on `start`, its loss chosen; see `task_on`.

        Where `start` is an embedder, what is None stays as it was.
        """
        given = {"pooling": pooling, "temperature": temperature}
        arguments = {name: value for name, value in given.items() if value is not None} | more
        packing = {"sequence_length": sequence_length}
        model = task_on(
            AlbertTextEmbedder, start, tokenizer=tokenizer, packing=packing, **arguments
        )
        if self.objective == "cosine":
            model.compile(loss=self.loss(model))
        return model

    def loss(self, model):
        """What to hand to `compile` as the loss of this job."""
        return CosineError() if self.objective == "cosine" else model.default_loss()

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, of pairs of similar length; see `training_rows`."""
        firsts, seconds = tf.constant(examples.texts), tf.constant(examples.text_pairs)
        labels = None if self.objective == "contrastive" else tf.constant(examples.labels)

        def take(indices):
            x = (tf.gather(firsts, indices), tf.gather(seconds, indices))
            return (x,) if labels is None else (x, tf.gather(labels, indices))

        pairs = zip(examples.texts, examples.text_pairs, strict=True)
        lengths = np.array([max(len(first), len(second)) for first, second in pairs])
        return training_rows(lengths, take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=64) -> list[dict]:
        """How alike the texts of each pair are.

        Returns:
            Dictionaries of `text`, `text_pair` and `cosine`; of `rank`, how many second texts of
            all examples are nearer to the first text than its own (0 is best; an equal text is
            not nearer); and of `expected`, from 0 to 1, where it is known.
        """
        vectors = model.predict([*examples.texts, *examples.text_pairs], batch_size)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        firsts, seconds = vectors[: len(examples)], vectors[len(examples) :]
        rows = []
        for i in range(len(examples)):
            cosines = seconds @ firsts[i]
            row = {"text": examples.texts[i], "text_pair": examples.text_pairs[i]}
            # The same text again has the same vector but for the last digits.
            row |= {
                "cosine": float(cosines[i]),
                "rank": int(np.sum(cosines > cosines[i] + 1e-6)),
            }
            if examples.labels is not None:
                row["expected"] = float(examples.labels[i])
            rows.append(row)
        return rows

    def score(self, rows, examples) -> dict[str, float]:
        """Scores of answers; the first one picks the best weights.

        Returns:
            With scores `spearman` and `pearson` of the cosines; without, `recall_at_1`, the share
            of first texts whose partner is the nearest of all, `recall_at_10` and
            `reciprocal_rank`, the mean of 1 / (rank + 1).
        """
        if examples.labels is not None:
            cosines = np.array([row["cosine"] for row in rows], "float64")
            return scores(("spearman", "pearson"), examples.labels, cosines)
        ranks = np.array([row["rank"] for row in rows])
        return {
            "recall_at_1": float(np.mean(ranks < 1)),
            "recall_at_10": float(np.mean(ranks < 10)),
            "reciprocal_rank": float(np.mean(1 / (ranks + 1))),
        }

    def baselines(self, train, dev, model):
        """The words that two texts share, as a share of all of their words."""
        rows = []
        for first in range(len(dev)):
            pair = dev.texts[first], dev.text_pairs[first]
            cosine, rank = shared_fraction(*pair), 0
            if dev.labels is None:
                others = (text for text in dev.text_pairs if text != pair[1])
                # Nothing tells what shares equally much: such a text counts as nearer.
                rank = sum(shared_fraction(pair[0], other) >= cosine for other in others)
            rows.append({"cosine": cosine, "rank": rank})
        return {"overlap": self.score(rows, dev)}

    def compare(self, row):
        """By the distance of the scores, or, where only pairs are known, by the rank."""
        asked = f"{row['text']} | {row['text_pair']}"
        if "expected" in row:
            error = abs(row["cosine"] - row["expected"])
            return Compared(asked, f"{row['expected']:.2f}", f"{row['cosine']:.2f}", error)
        given = f"{row['rank']} others are nearer"
        return Compared(asked, "none is nearer", given, float(row["rank"]))

    def line(self, row):
        return f"{row['cosine']:7.4f}  {row['text']} | {row['text_pair']}"
