"""Which of several choices fits, and how likely each is."""

import numpy as np
import tensorflow as tf

from albert_tf.exporting.answers.base import TEXTS, Answers, TextSignature, as_bytes
from albert_tf.tasks.multiple_choice import ABSENT

ASKED = ("Who met? _ did.", "What is it?", "")
CHOICES = (("The committee", "Nobody", "A short one"), ("It is long.", "Short"), ("Yes", "No"))


class ChoiceAnswers(Answers):
    """`choice` and its `index`, counted from 0, and the `probabilities` of all choices.

    `choices` is `(batch, most choices)`. A question with fewer has "" at the end of its row; such
    a place has a probability of 0. In the middle of a row "" is a choice like any other.
    """

    def text_signatures(self):
        if not self.reads_text:
            return []
        return [
            TextSignature(name, inputs, self._answer, self._expected)
            for name, inputs in (
                ("serving_default", ("text", "choices")),
                ("question", ("text", "question", "choices")),
            )
        ]

    def encode(self, texts):
        choices = texts["choices"]
        if isinstance(choices, tf.Tensor):
            choices = tf.RaggedTensor.from_tensor(choices, padding="")
        return super().encode(texts | {"choices": choices})

    def _answer(self, run, texts):
        logits = run(self.encode(texts))
        # Ids have as many choices as the longest row: no place for those that are all "".
        num_choices = tf.shape(texts["choices"])[1]
        missing = num_choices - tf.shape(logits)[1]
        logits = tf.pad(logits, [[0, 0], [0, missing]], constant_values=ABSENT)
        # Without any choice there is nothing to gather.
        padded = tf.pad(texts["choices"], [[0, 0], [0, 1]], constant_values="")
        named = self.named(logits)
        return named | {"choice": tf.gather(padded, named["index"], batch_dims=1)}

    def numbers(self, outputs):
        logits = tf.identity(outputs)
        is_there = tf.cast(logits > ABSENT / 2, tf.float32)
        # A row may have no place at all.
        padded = tf.pad(logits, [[0, 0], [0, 1]], constant_values=2 * ABSENT)
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits) * is_there,
            "index": tf.argmax(padded, axis=-1, output_type=tf.int32),
        }

    def sample_rows(self):
        return {
            "text": [TEXTS[3], TEXTS[2], TEXTS[0]],
            "question": list(ASKED),
            "choices": [list(row) for row in CHOICES],
        }

    def _expected(self, rows):
        chosen = self.model.choose(rows)
        logits = self.model.predict(rows)
        chances = np.zeros_like(logits)
        for row, answer in zip(chances, chosen, strict=True):
            row[: len(answer["probabilities"])] = answer["probabilities"]
        return {
            "logits": logits,
            "probabilities": chances,
            "index": np.array([answer["index"] for answer in chosen], np.int32),
            "choice": as_bytes([answer["choice"] for answer in chosen]),
        }
