"""Which of several choices fits (RACE)."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from keras import ops
from scipy.special import softmax

from albert_tf.layers.heads import ProjectionHead
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.given_rows import is_dataset
from albert_tf.tasks.losses import ClassCrossentropy
from albert_tf.tasks.multiple_choice_preprocessor import AlbertMultipleChoicePreprocessor
from albert_tf.tasks.raw_batches import outputs_of, raw_batches, refuse_options
from albert_tf.text.nested import as_text

# Far below any logit, and yet a number: its share of a softmax is 0, and so is its gradient.
ABSENT = -1e9


@keras.saving.register_keras_serializable("albert_tf")
class AlbertMultipleChoice(AlbertTask, keras_hub.models.Task):
    """One logit for each choice, on its pooled output (original: race_utils.py).

    Args:
        backbone: `AlbertBackbone` with a pooler.
        preprocessor: `AlbertMultipleChoicePreprocessor`, or None to take arrays.
        dropout: on the pooled output, in [0, 1).

    Call arguments: the backbone's inputs with one more axis, int `(batch, num_choices, seq_len)`.
    A question with less choices than others has rows of padding alone (`padding_mask` 0).

    Returns: float32 logits `(batch, num_choices)`, not normalized; `ABSENT` for choices that are
    not there.

    With a preprocessor, `fit`, `evaluate` and `predict` take `{"text": passages, "question":
    questions, "choices": lists of choices}`, of which only the choices must be there, and `y`,
    the numbers of the right choices, counted from 0. `choose` gives answers for people.
    """

    preprocessor_cls = AlbertMultipleChoicePreprocessor

    def __init__(self, backbone, preprocessor=None, dropout=0.1, **kwargs):
        if not backbone.include_pooler:
            raise ValueError(
                "AlbertMultipleChoice reads the pooled output: got a backbone with "
                "include_pooler=False. Load a checkpoint that has a pooler."
            )
        head = ProjectionHead(
            backbone.albert_config,
            1,
            dropout=dropout,
            dtype=backbone.dtype_policy,
            name="choice_head",
        )
        inputs = {
            name: keras.Input((None, None), dtype="int32", name=name) for name in backbone.input
        }
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.check_preprocessor(preprocessor)
        self.head = head
        self.dropout = dropout
        rows = {name: ChoicesAsRows(name=f"{name}_rows")(value) for name, value in inputs.items()}
        scores = head(backbone(rows)["pooled_output"])
        outputs = RowsAsChoices(name="logits")(scores, inputs["padding_mask"])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def default_loss(self):
        return ClassCrossentropy()

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def fit(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Trains; see the class, and `AlbertTask.fit`."""
        if isinstance(kwargs.get("validation_data"), (tuple, list)):
            x_dev, *more = kwargs["validation_data"]
            kwargs["validation_data"] = (self._rows(x_dev, *more[:1]), *more)
        return super().fit(self._rows(x, y), y, batch_size, sample_weight, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Loss and share of right answers; see the class."""
        return super().evaluate(self._rows(x, y), y, batch_size, sample_weight, **kwargs)

    def predict(self, x=None, batch_size=None, verbose="auto", **kwargs):
        """Logits float32 `(batch, most choices)`; see the class."""
        if self.preprocessor is None:
            return super().predict(x, batch_size, verbose=verbose, **kwargs)
        refuse_options(kwargs)
        if not (is_dataset(x) or isinstance(x, dict)):
            raise ValueError(
                "Questions come as a dictionary of choices, and perhaps text and question: got a "
                f"{type(x).__name__}."
            )
        found = {}
        for indices, batch in raw_batches(self._rows(x), batch_size):
            logits = outputs_of(self, self.preprocessor(batch))
            found |= dict(zip(indices.tolist(), logits, strict=True))
        answers = np.full(
            (len(found), max(map(len, found.values()), default=0)), ABSENT, np.float32
        )
        for i, logits in found.items():
            answers[i, : len(logits)] = logits
        return answers

    def choose(self, x, batch_size=None) -> list[dict]:
        """Answers questions.

        Args:
            x: questions, as in `predict`.
            batch_size: questions of a batch.

        Returns:
            For each question a dictionary of `index`, the number of the choice, counted from 0;
            `choice`, its text; and `probabilities`, one a choice.

        Raises:
            ValueError: the model has no preprocessor, or a question no choice.
        """
        if self.preprocessor is None:
            raise ValueError(
                "choose() needs a model with a preprocessor: this one has none. Give it to the "
                "constructor or to from_preset()."
            )
        if is_dataset(x):
            return [row for _, batch in raw_batches(x) for row in self.choose(batch, batch_size)]
        x = self._rows(x)
        answers = []
        logits = self.predict(x, batch_size)
        for choices, row in zip(x["choices"].to_list(), logits, strict=True):
            chances = softmax(row[: len(choices)])
            best = int(chances.argmax())
            text = choices[best].decode("utf-8", "replace")
            answers.append({"index": best, "choice": text, "probabilities": chances.tolist()})
        return answers

    def _rows(self, x, y=None):
        """Questions as tensors, choices as a ragged one; anything else as it is."""
        if self.preprocessor is None or not isinstance(x, dict) or "choices" not in x:
            return x
        x = {name: _as_strings(rows) for name, rows in x.items()}
        choices = x["choices"]
        if isinstance(choices, tf.Tensor) and choices.shape == (0,):  # no question at all
            choices = choices[:, None]
        if isinstance(choices, tf.Tensor) and choices.shape.rank == 2:
            choices = tf.RaggedTensor.from_tensor(choices)
        if not isinstance(choices, tf.RaggedTensor):
            return x  # The preprocessor says what is wrong.
        counts = choices.row_lengths().numpy()
        if not counts.all():
            row = int(np.argmin(counts))
            raise ValueError(
                f"Every question needs a choice: question {row}, counted from 0, has none."
            )
        if y is not None and np.any((np.asarray(y) < 0) | (np.asarray(y) >= counts)):
            row = int(np.argmax((np.asarray(y) < 0) | (np.asarray(y) >= counts)))
            raise ValueError(
                f"The right choice must be one of those that there are: question {row} has "
                f"{counts[row]} choices, counted from 0, and the label {np.asarray(y)[row]}."
            )
        return x | {"choices": choices}

    def get_config(self):
        return super().get_config() | {"dropout": self.dropout}


def _as_strings(rows):
    """Texts, or lists of them, as a tensor; lists may differ in length."""
    if isinstance(rows, (list, tuple)) and rows and isinstance(rows[0], (list, tuple)):
        return tf.ragged.constant([list(row) for row in rows], tf.string, ragged_rank=1)
    return as_text(rows)


@keras.saving.register_keras_serializable("albert_tf")
class ChoicesAsRows(keras.layers.Layer):
    """`(batch, num_choices, seq_len)` to `(batch * num_choices, seq_len)`."""

    def call(self, ids):
        return ops.reshape(ids, (-1, ops.shape(ids)[2]))

    def compute_output_spec(self, ids):
        return keras.KerasTensor((None, ids.shape[2]), ids.dtype)


@keras.saving.register_keras_serializable("albert_tf")
class RowsAsChoices(keras.layers.Layer):
    """Scores `(batch * num_choices, 1)` back to `(batch, num_choices)`; padding gets `ABSENT`.

    Call arguments:
        scores: float `(batch * num_choices, 1)`.
        padding_mask: int `(batch, num_choices, seq_len)`.
    """

    def call(self, scores, padding_mask):
        is_there = ops.max(padding_mask, axis=-1) > 0
        return ops.where(is_there, ops.reshape(scores, ops.shape(padding_mask)[:2]), ABSENT)

    def compute_output_spec(self, scores, padding_mask):
        return keras.KerasTensor(padding_mask.shape[:2], scores.dtype)
