"""Masked words: texts with masks to fill, texts to learn from, and texts to judge."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.data.tables import Examples, read_examples
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.training.jobs.rows import training_rows, write_rows
from albert_tf.training.jobs.starts import task_on


@dataclass(frozen=True, kw_only=True)
class FillMask:
    """The piece behind each mask; trained on texts alone, whose masks are set on the way.

    Args:
        text: name or index of the column of texts; a `.txt` file has a text a line.
        top_k: words to answer with.
    """

    text: str = "text"
    top_k: int = 5

    def read(self, settings) -> tuple[Examples, Examples | None]:
        """Reads the texts of `settings.train` and `settings.dev`; None where dev is None.

        Raises:
            FileNotFoundError, ValueError: see `read_examples`.
        """
        return self.read_data(settings.train), settings.dev and self.read_data(settings.dev)

    def read_data(self, path) -> Examples:
        """Reads the texts of a `.txt`, TSV, CSV or JSON-lines file."""
        return read_examples(path, text=self.text, label=None)

    def build(self, start, examples=None, *, tokenizer=None, sequence_length=128, **more):
        """The model on `start`; see `task_on`. A pretrained head stays."""
        packing = {"sequence_length": sequence_length}
        return task_on(AlbertMaskedLM, start, tokenizer=tokenizer, packing=packing, **more)

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, which sets the masks, of texts of similar length."""
        texts = tf.constant(examples.texts)
        lengths = np.array([len(text) for text in examples.texts])

        def take(indices):
            return tf.gather(texts, indices)

        return training_rows(lengths, take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=64) -> list[dict]:
        """Fills the masks of texts; rows as `fill_masks` gives them."""
        return model.fill(examples.texts, self.top_k, batch_size)

    def measure(self, model, examples, batch_size=64) -> dict[str, float]:
        """How well pieces are found in texts without masks, always under the same masks.

        Returns:
            `masked_lm_accuracy` and `masked_lm_loss`, in nats a piece.
        """
        found = model.evaluate(examples.texts, batch_size=batch_size, verbose=0, return_dict=True)
        return {
            "masked_lm_accuracy": float(found["masked_lm_accuracy"]),
            "masked_lm_loss": float(found["loss"]),
        }

    def judge(self, model, examples, batch_size=64) -> list[dict]:
        """The pseudo-log-likelihood of each text; rows as `pseudo_log_likelihoods` gives them."""
        return model.score(examples.texts, batch_size)

    def write(self, rows, directory):
        """Writes JSON lines; there is no official file for filled masks."""
        write_rows(rows, Path(directory) / "predictions.jsonl")
