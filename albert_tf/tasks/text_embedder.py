"""Texts as vectors whose cosine says how alike they are."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from keras import ops

from albert_tf.layers.pooling import TextPooling
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.given_rows import is_dataset
from albert_tf.tasks.raw_batches import predict_rows, refuse_options
from albert_tf.tasks.text_embedder_losses import InBatchNegatives, in_batch_accuracy
from albert_tf.tasks.text_embedder_preprocessor import AlbertTextEmbedderPreprocessor
from albert_tf.text.nested import as_text


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTextEmbedder(AlbertTask, keras_hub.models.Task):
    """One vector a text (sentence-BERT, arXiv 1908.10084, on ALBERT).

    Args:
        backbone: `AlbertBackbone`, with or without a pooler, which is not read.
        preprocessor: `AlbertTextEmbedderPreprocessor`, or None to take arrays.
        pooling, normalize: see `TextPooling`.
        temperature: of the contrastive loss; see `InBatchNegatives`.

    Call arguments: the backbone's inputs, int `(batch, seq_len)`; for pairs `(batch, 2, seq_len)`.

    Returns: float32 `(batch, hidden_size)`; for pairs `(batch, 2, hidden_size)`.

    With a preprocessor, `predict` takes a list of texts, and `fit` and `evaluate` pairs: a tuple
    of two lists, or a dictionary of `text` and `text_pair`. Partners belong together, and all
    other texts of a batch are what they must be told from: no `y` is needed. A text paired with
    itself is told from others by its dropout alone (SimCSE, arXiv 2104.08821; v2 models have no
    dropout). Where it is known how alike texts are, `compile(loss=CosineError())`, and `y` is
    float `(batch,)` in [-1, 1]. The batch of contrastive training is that of one replica.
    """

    preprocessor_cls = AlbertTextEmbedderPreprocessor
    reads_pooler = False

    def __init__(
        self,
        backbone,
        preprocessor=None,
        pooling="mean",
        normalize=True,
        temperature=0.05,
        **kwargs,
    ):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.check_preprocessor(preprocessor)
        self.pool = TextPooling(pooling, normalize, name="pooling")
        self.pooling, self.normalize, self.temperature = pooling, normalize, temperature
        inputs = backbone.input
        outputs = self.pool(backbone(inputs)["sequence_output"], inputs["padding_mask"])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        # Keras would refuse pairs by their number of dimensions.
        self.input_spec = None

    def call(self, inputs, training=None, mask=None):
        more = {"training": training, "mask": mask}
        padding_mask = inputs["padding_mask"]
        if len(padding_mask.shape) == 2:
            return super().call(inputs, **more)
        num_texts, seq_len = ops.shape(padding_mask)[1:]
        rows = {name: ops.reshape(inputs[name], (-1, seq_len)) for name in self.input}
        vectors = super().call(rows, **more)
        return ops.reshape(vectors, (-1, num_texts, self.backbone.albert_config.hidden_size))

    def _needs_answers(self, x):
        return False  # partners are each other's

    def default_loss(self):
        return InBatchNegatives(self.temperature)

    def default_metrics(self):
        return [keras.metrics.MeanMetricWrapper(in_batch_accuracy, name="in_batch_accuracy")]

    def compile(self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs):
        """Compiles for training; the usual metric goes with the usual loss only."""
        if metrics == "auto" and loss != "auto":
            metrics = []
        super().compile(optimizer, loss, metrics=metrics, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y = _targets(y, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, _targets(y, y_pred), y_pred, sample_weight)

    def predict(self, x=None, batch_size=None, verbose="auto", **kwargs):
        """Vectors of texts, float32 `(num_texts, hidden_size)`; see the class."""
        if self.preprocessor is None:
            return super().predict(x, batch_size, verbose=verbose, **kwargs)
        refuse_options(kwargs)
        x = x if is_dataset(x) else _batch_of_texts(x)
        vectors = predict_rows(self, x, batch_size)
        if vectors is None:
            return np.zeros((0, self.backbone.albert_config.hidden_size), np.float32)
        return vectors

    def similarity(self, firsts, seconds, batch_size=None) -> np.ndarray:
        """Cosines of pairs of texts: float32 `(num_pairs,)`, in [-1, 1].

        Args:
            firsts, seconds: lists of texts, equally many.
            batch_size: texts that the model reads at a time.

        Raises:
            ValueError: there are not as many firsts as seconds, or they are no lists.
        """
        if isinstance(firsts, (str, bytes)) or isinstance(seconds, (str, bytes)):
            raise ValueError(
                "similarity takes two lists of texts: got a single text. Put it in a list."
            )
        if len(firsts) != len(seconds):
            raise ValueError(
                f"Every first text needs a second: got {len(firsts)} and {len(seconds)}."
            )
        vectors = self.predict([*firsts, *seconds], batch_size)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return np.sum(vectors[: len(firsts)] * vectors[len(firsts) :], axis=1)

    def get_config(self):
        return super().get_config() | {
            "pooling": self.pooling,
            "normalize": self.normalize,
            "temperature": self.temperature,
        }


def _batch_of_texts(x):
    if isinstance(x, (tuple, dict)):
        raise ValueError(
            "predict takes one list of texts: got several columns. similarity() compares pairs."
        )
    x = tf.zeros((0,), tf.string) if isinstance(x, list) and not x else as_text(x)
    if x.shape.rank == 0:
        raise ValueError(
            f"predict takes a batch: got a single text, {x.numpy()!r}. Put it in a list."
        )
    return x


def _targets(y, y_pred):
    # Keras skips the loss where there is no y, and partners need none.
    return ops.zeros((ops.shape(y_pred)[0],), "float32") if y is None else y
