"""A classifier that answers as soon as its depths agree (PABEE, Zhou et al., arXiv 2006.04152).

ALBERT applies one block again and again, so that the state of every depth lives in one space, and
a classifier on each costs a product. Easy texts need few depths.
"""

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from keras import ops

from albert_tf.layers.attention import PADDING_SCORE
from albert_tf.layers.heads import ProjectionHead
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.class_names import NamedClasses
from albert_tf.tasks.early_exit_losses import DepthWeighted, last_depth_accuracy, last_depth_mse
from albert_tf.tasks.given_rows import BATCH_SIZE, is_dataset
from albert_tf.tasks.raw_batches import raw_batches, refuse_options, text_columns
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor


@keras.saving.register_keras_serializable("albert_tf")
class AlbertEarlyExitClassifier(NamedClasses, AlbertTask, keras_hub.models.TextClassifier):
    """`AlbertTextClassifier` with a head for each depth, on one pooler.

    It is trained on the mean of the losses of all depths, a depth's weight being its number. In
    prediction a row leaves as soon as `patience + 1` depths in a row gave the same class (of
    numbers: differ by less than `tolerance`), and the others go on without it in a smaller batch.
    With `patience=None` all rows go through all depths, and the last head answers: what
    `AlbertTextClassifier` gives on the same weights.

    Args:
        backbone: `AlbertBackbone` with a pooler.
        num_classes: number of outputs; 1 is regression.
        preprocessor: `AlbertTextClassifierPreprocessor`, or None to take arrays.
        class_names: texts to answer with, one a class.
        dropout: on the pooled output, in [0, 1).
        patience: at least 1, or None for no early exit. May be set on the model.
        tolerance: above 0; for regression.

    Returns (call): float32 logits `(batch, num_hidden_layers, num_classes)`, of every depth.
    `predict` gives float32 `(batch, num_classes)`, of the depth at which each row left.
    """

    preprocessor_cls = AlbertTextClassifierPreprocessor
    _passes = None

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        class_names=None,
        dropout=0.1,
        patience=None,
        tolerance=0.1,
        **kwargs,
    ):
        if not backbone.include_pooler:
            raise ValueError(
                "AlbertEarlyExitClassifier reads the pooled output: got a backbone with "
                "include_pooler=False. Load a checkpoint that has a pooler."
            )
        config = backbone.albert_config
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.check_preprocessor(preprocessor)
        self.num_classes = num_classes
        self.class_names = None if class_names is None else [str(name) for name in class_names]
        self.dropout, self.patience, self.tolerance = dropout, patience, tolerance
        self.heads = [
            ProjectionHead(
                config,
                num_classes,
                dropout=dropout,
                dtype=backbone.dtype_policy,
                name=f"classifier_{depth}",
            )
            for depth in range(config.num_hidden_layers)
        ]
        inputs = backbone.input
        hidden = backbone.embeddings(inputs["token_ids"], inputs["segment_ids"])
        if backbone.embedding_projection is not None:
            hidden = backbone.embedding_projection(hidden)
        states = DepthStates(backbone.encoder, dtype=backbone.dtype_policy, name="depths")
        depths = states(hidden, inputs["padding_mask"])
        logits = [
            head(backbone.pooler(state)) for head, state in zip(self.heads, depths, strict=True)
        ]
        super().__init__(inputs=inputs, outputs=ops.stack(logits, axis=1), **kwargs)

    @property
    def is_regression(self):
        """Whether the single output is a number rather than a class."""
        return self.num_classes == 1

    def default_loss(self):
        return DepthWeighted(self.is_regression)

    def default_metrics(self):
        if self.is_regression:
            return [keras.metrics.MeanMetricWrapper(last_depth_mse, name="mse")]
        return [keras.metrics.MeanMetricWrapper(last_depth_accuracy, name="accuracy")]

    def predict(self, x=None, batch_size=None, verbose="auto", **kwargs):
        """Logits float32 `(batch, num_classes)`; see the class."""
        return self.predict_with_depths(x, batch_size, **kwargs)[0]

    def predict_with_depths(self, x, batch_size=None, **kwargs):
        """Answers, and how deep each row went.

        Args:
            x: texts or pairs as `AlbertTextClassifier` takes them; without a preprocessor a
                dictionary of arrays.
            batch_size: rows that enter together, those of similar length.

        Returns:
            `(logits, depths)`: float32 `(batch, num_classes)`, and int32 `(batch,)`, the number
            of depths that a row went through.

        Raises:
            ValueError: `patience` is below 1, or `tolerance` not above 0.
        """
        refuse_options(kwargs)
        self._check_patience()
        found = {}
        for indices, inputs in self._batches(x, batch_size):
            logits, depths = self._pass_for_patience()(inputs)
            rows = zip(logits.numpy(), depths.numpy(), strict=True)
            found |= dict(zip(indices.tolist(), rows, strict=True))
        if not found:
            return np.zeros((0, self.num_classes), np.float32), np.zeros((0,), np.int32)
        logits, depths = zip(*(found[index] for index in range(len(found))), strict=True)
        return np.stack(logits), np.array(depths, np.int32)

    def _check_patience(self):
        if self.patience is not None and (self.patience < 1 or self.patience != int(self.patience)):
            raise ValueError(
                f"patience must be a whole number of at least 1, or None for no early exit: got "
                f"{self.patience}."
            )
        if not self.tolerance > 0:
            raise ValueError(f"tolerance must be above 0: got {self.tolerance}.")

    def _batches(self, x, batch_size):
        if self.preprocessor is None and not is_dataset(x):
            num_rows, size = len(x["token_ids"]), batch_size or BATCH_SIZE
            for start in range(0, num_rows, size):
                indices = np.arange(start, min(start + size, num_rows))
                yield indices, {name: tf.constant(x[name][indices]) for name in self.input}
            return
        if not is_dataset(x):
            x = text_columns(x)
        for indices, batch in raw_batches(x, batch_size):
            yield indices, batch if self.preprocessor is None else self.preprocessor(batch)

    def _pass_for_patience(self):
        """The compiled pass for the patience and the tolerance of now."""
        if self.run_eagerly:
            return lambda inputs: exit_early(self, inputs)
        settings = (self.patience, self.tolerance)
        self._passes = self._passes or {}
        if settings not in self._passes:
            ids = tf.TensorSpec((None, None), tf.int32)
            self._passes[settings] = tf.function(
                lambda inputs: exit_early(self, inputs),
                input_signature=[dict.fromkeys(self.input, ids)],
            )
        return self._passes[settings]

    def get_config(self):
        return super().get_config() | {
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "dropout": self.dropout,
            "patience": self.patience,
            "tolerance": self.tolerance,
        }


class DepthStates(keras.layers.Layer):
    """What the encoder has made after each depth: a list of float `(batch, seq_len, hidden_size)`.

    A layer of its own, as Keras lets no layer of a functional model have other outputs at its
    second use.
    """

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, *shapes):
        self.built = True

    def call(self, hidden, padding_mask, training=None):
        _, states, _ = self.encoder(hidden, padding_mask, training=training, return_all=True)
        inner = self.encoder.config.inner_group_num
        return states[inner::inner]

    def compute_output_spec(self, hidden, padding_mask, training=None):
        num_depths = self.encoder.config.num_hidden_layers
        return [keras.KerasTensor(hidden.shape, self.compute_dtype) for _ in range(num_depths)]


def exit_early(model, inputs):
    """One pass in which rows leave the batch when the model's patience says so.

    Args:
        model: `AlbertEarlyExitClassifier`.
        inputs: dictionary of the backbone's inputs, int32 `(batch, seq_len)`.

    Returns:
        `(logits, depths)`: float32 `(batch, num_classes)`, int32 `(batch,)`.
    """
    backbone, encoder = model.backbone, model.backbone.encoder
    config = backbone.albert_config
    attentions = [layer.kernels() for layer in encoder.attentions]
    feed_forwards = [layer.kernels() for layer in encoder.feed_forwards]
    hidden = backbone.embeddings(inputs["token_ids"], inputs["segment_ids"])
    if backbone.embedding_projection is not None:
        hidden = backbone.embedding_projection(hidden)
    batch, seq_len = tf.shape(hidden)[0], tf.shape(hidden)[1]
    padding = tf.cast(1 - inputs["padding_mask"], hidden.dtype)
    padding_score = (padding * PADDING_SCORE)[:, None, None, :]
    rows = Waiting(model, batch)
    for depth in range(config.num_hidden_layers):
        flat = tf.reshape(hidden, (-1, config.hidden_size))
        first = depth * config.inner_group_num
        for a, f in encoder.schedule()[first : first + config.inner_group_num]:
            flat, _ = encoder.attentions[a](flat, attentions[a], padding_score)
            flat = encoder.feed_forwards[f](flat, feed_forwards[f])
        hidden = tf.reshape(flat, (-1, seq_len, config.hidden_size))
        is_last = depth + 1 == config.num_hidden_layers
        if model.patience is None and not is_last:
            continue
        stays = rows.look(model.heads[depth](backbone.pooler(hidden)), depth, is_last)
        if not is_last:
            hidden = tf.boolean_mask(hidden, stays)
            padding_score = tf.boolean_mask(padding_score, stays)
    return rows.logits, rows.depths


class Waiting:
    """The rows that are still in the batch: who they are, what they said, how often in a row."""

    def __init__(self, model, batch):
        self.model = model
        self.logits = tf.zeros((batch, model.num_classes))
        self.depths = tf.zeros((batch,), tf.int32)
        self.rows = tf.range(batch)
        self.said, self.streak = None, None

    def look(self, logits, depth, is_last):
        """Takes the answers of a depth; gives back which rows stay, bool `(rows so far,)`."""
        said = logits[:, 0] if self.model.is_regression else tf.argmax(logits, axis=-1)
        if self.said is None:
            streak = tf.zeros_like(self.rows)
        else:
            agrees = tf.equal(said, self.said)
            if self.model.is_regression:
                agrees = tf.abs(said - self.said) < self.model.tolerance
            streak = tf.where(agrees, self.streak + 1, 0)
        patience = self.model.patience
        leaves = tf.fill(tf.shape(self.rows), True) if is_last else streak >= patience
        places = tf.boolean_mask(self.rows, leaves)[:, None]
        answers = tf.boolean_mask(logits, leaves)
        self.logits = tf.tensor_scatter_nd_update(self.logits, places, answers)
        went = tf.fill(tf.shape(places)[:1], depth + 1)
        self.depths = tf.tensor_scatter_nd_update(self.depths, places, went)
        stays = ~leaves
        self.rows, self.said = tf.boolean_mask(self.rows, stays), tf.boolean_mask(said, stays)
        self.streak = tf.boolean_mask(streak, stays)
        return stays
