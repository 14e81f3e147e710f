"""Sentence order: pairs of passages, and the probability that they stand in order."""

from dataclasses import dataclass

from sklearn.metrics import accuracy_score

from albert_tf.data.tables import Examples, read_examples
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.sentence_order import check_order_model, order_probabilities, tokenizer_beside
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.jobs.job import Job

CLASS_NAMES = ("in_order", "swapped")


@dataclass(frozen=True)
class OrderModel:
    """A pretrainer and its vocabulary."""

    model: AlbertPretrainer
    tokenizer: AlbertTokenizer


@dataclass(frozen=True, kw_only=True)
class SentenceOrder(Job):
    """Whether the second passage follows the first, by a pretrained head; nothing is trained.

    Args:
        text, text_pair: columns of the passages.
        label: column that says `in_order` or `swapped`.
        header: whether the first row of a TSV or CSV file names its columns.
    """

    model_class = "pretrainer"
    is_trained = False

    text: str = "text"
    text_pair: str = "text_pair"
    label: str = "label"
    header: bool = True

    def read_data(self, path, with_answers=True, class_names=None) -> Examples:
        """Reads pairs from a TSV, CSV or JSON-lines file."""
        return read_examples(
            path,
            text=self.text,
            text_pair=self.text_pair,
            label=self.label if with_answers else None,
            class_names=CLASS_NAMES,
            header=self.header,
        )

    def ask(self, *, text, text_pair) -> Examples:
        """Passages from the command line."""
        if len(text) != len(text_pair):
            raise ValueError(
                f"--text-pair must come once for each --text: got {len(text_pair)} for {len(text)}."
            )
        return Examples(list(text), list(text_pair))

    def load(self, path, dtype=None):
        return self.build(str(path), dtype=dtype)

    def build(self, start, examples=None, *, tokenizer=None, dtype=None):
        """The pretrainer and its tokenizer, as an `OrderModel`.

        Args:
            start: `AlbertPretrainer`, or the preset or checkpoint of one.
            examples: not read.
            tokenizer: `AlbertTokenizer`; None for the one that stands beside the weights.
            dtype: Keras dtype or policy.

        Raises:
            FileNotFoundError: there is no checkpoint or no vocabulary.
            ValueError: there is no head for sentence order, or the vocabulary does not fit.
        """
        if tokenizer is None and not isinstance(start, AlbertPretrainer):
            tokenizer = tokenizer_beside(start)
        if tokenizer is None:
            raise ValueError("A model comes without a vocabulary: give tokenizer=.")
        if not isinstance(start, AlbertPretrainer):
            start = load_checkpoint(start, "pretrainer", dtype=dtype)
        check_order_model(start, tokenizer)
        return OrderModel(start, tokenizer)

    def answer(self, model, examples, batch_size=32) -> list[dict]:
        """What the model says of each pair.

        Returns:
            Dictionaries of `text`, `text_pair`, `prediction` (`in_order` or `swapped`) and
            `probability`, that they stand in order; and of `label` where it is known.
        """
        pairs = (examples.texts, examples.text_pairs)
        chances = order_probabilities(model.model, *pairs, model.tokenizer, batch_size=batch_size)
        rows = []
        for i, (first, second) in enumerate(zip(*pairs, strict=True)):
            row = {"text": first, "text_pair": second}
            if examples.labels is not None:
                row["label"] = CLASS_NAMES[examples.labels[i]]
            row["prediction"] = CLASS_NAMES[int(chances[i] < 0.5)]
            row["probability"] = float(chances[i])
            rows.append(row)
        return rows

    def score(self, rows, examples) -> dict[str, float]:
        """`accuracy`."""
        expected = [CLASS_NAMES[label] for label in examples.labels]
        return {"accuracy": float(accuracy_score(expected, [row["prediction"] for row in rows]))}

    def line(self, row):
        return f"{row['prediction']:9} {row['probability']:.3f}  {row['text']} | {row['text_pair']}"
