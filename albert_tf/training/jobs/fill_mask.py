"""Masked words: texts with masks to fill, texts to learn from, and texts to judge."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from albert_tf.data.tables import Examples, read_examples
from albert_tf.data.tfds_rows import rows_of
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.rows import rough_lengths, training_rows
from albert_tf.training.jobs.starts import task_on


@dataclass(frozen=True, kw_only=True)
class FillMask(Job):
    """The piece behind each mask; trained on texts alone, whose masks are set on the way.

    Args:
        text: name or index of the column of texts; a `.txt` file has a text a line.
        header: whether the first row of a TSV or CSV file names its columns.
        top_k: words to answer with.
    """

    model_class = "masked_lm"
    answer_key = "text"
    scores_a_copy = True
    wants_full_batches = True  # the masks of a batch are set in a frame of one size

    text: str = "text"
    header: bool = True
    top_k: int = 5

    def read_data(self, path, with_answers=True, class_names=None) -> Examples:
        """Reads the texts of a `.txt`, TSV, CSV or JSON-lines file."""
        return read_examples(rows_of(path), text=self.text, label=None, header=self.header)

    def ask(self, *, text) -> Examples:
        """Texts with masks from the command line."""
        return Examples(list(text))

    def build(self, start, examples=None, *, tokenizer=None, sequence_length=128, **more):
        """The model on `start`; see `task_on`. A pretrained head stays."""
        packing = {"sequence_length": sequence_length}
        return task_on(AlbertMaskedLM, start, tokenizer=tokenizer, packing=packing, **more)

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, which sets the masks, of texts of similar length."""
        texts = tf.constant(examples.texts)

        def take(indices):
            return tf.gather(texts, indices)

        return training_rows(rough_lengths(examples.texts), take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=64) -> list[dict]:
        """Fills the masks of texts; rows as `fill_masks` gives them."""
        return model.fill(examples.texts, self.top_k, batch_size)

    def evaluate(self, model, examples, batch_size=64):
        """What `measure` gives; texts without masks have no answers to write."""
        return self.measure(model, examples, batch_size), []

    def larger_is_better(self, name):
        return name != "masked_lm_loss"

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

    def baselines(self, train, dev, model):
        """The piece that is the most frequent one in training, at every place of the dev texts."""
        counts = []
        for examples in (train, dev):
            ids = model.preprocessor.tokenizer(tf.constant(examples.texts)).flat_values
            counts.append(np.bincount(ids, minlength=model.backbone.albert_config.vocab_size))
        share = counts[1][counts[0].argmax()] / max(1, counts[1].sum())
        return {"majority": {"masked_lm_accuracy": float(share)}}

    def line(self, row):
        found = (
            "/".join(f"{w['word']} {w['probability']:.3f}" for w in m["words"])
            for m in row["masks"]
        )
        return f"{row['filled']}  <-  {', '.join(found) or 'no [MASK]'}"
