"""What an embedder is trained on: which text belongs to which, or how alike two texts are."""

import keras
from keras import ops

from albert_tf.layers.pooling import unit_length
from albert_tf.tasks.losses import BatchMean


@keras.saving.register_keras_serializable("albert_tf")
class InBatchNegatives(BatchMean):
    """Each text must find its partner among all partners of the batch (InfoNCE, both ways).

    With `s[i, j]` the cosine of the first text of pair `i` and the second of pair `j` over the
    temperature, the loss of pair `i` is the mean of two cross-entropies: of row `i` and of column
    `i` of `s`, the right answer being `i` (van den Oord et al. 2018; both ways as in CLIP). So a
    batch of `n` pairs has `n - 1` wrong answers for each text, and a larger batch is a harder
    task. Under `tf.distribute` the batch is that of one replica: its pairs are compared with each
    other and not with those of other replicas.

    Pairs of weight 0 are no right answers, and still serve as wrong ones.

    Args:
        temperature: above 0; smaller lays more weight on the nearest wrong answers.

    Call arguments:
        y_true: not read.
        y_pred: float `(batch, 2, width)`, the vectors of pairs.

    Raises:
        ValueError: the temperature is not above 0, or the vectors are not of pairs.
    """

    def __init__(self, temperature=0.05, name="in_batch_negatives", **kwargs):
        if temperature <= 0:
            raise ValueError(f"temperature must be above 0: got {temperature}.")
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true, y_pred):
        scores = all_cosines(y_pred) / self.temperature
        partner = ops.arange(ops.shape(scores)[0])
        found = ops.sparse_categorical_crossentropy(partner, scores, from_logits=True)
        back = ops.transpose(scores)
        found_by = ops.sparse_categorical_crossentropy(partner, back, from_logits=True)
        return 0.5 * (found + found_by)

    def get_config(self):
        return super().get_config() | {"temperature": self.temperature}


@keras.saving.register_keras_serializable("albert_tf")
class CosineError(BatchMean):
    """The squared distance of the cosine of a pair from what it should be (sentence-BERT §3).

    Call arguments:
        y_true: float `(batch,)`, in [-1, 1].
        y_pred: float `(batch, 2, width)`, the vectors of pairs.
    """

    def __init__(self, name="cosine_error", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        first, second = _sides(y_pred)
        cosines = ops.sum(first * second, axis=-1)
        return ops.square(cosines - ops.reshape(ops.cast(y_true, cosines.dtype), (-1,)))


@keras.saving.register_keras_serializable("albert_tf")
def in_batch_accuracy(y_true, y_pred):
    """The share of first texts whose partner is the nearest of all partners, 0 or 1 a pair."""
    nearest = ops.argmax(all_cosines(y_pred), axis=-1)
    partner = ops.arange(ops.shape(y_pred)[0], dtype=nearest.dtype)
    return ops.cast(ops.equal(nearest, partner), "float32")


def all_cosines(y_pred):
    """Cosines of every first text with every second: float `(batch, batch)`."""
    first, second = _sides(y_pred)
    return ops.matmul(first, ops.transpose(second))


def _sides(y_pred):
    if len(y_pred.shape) != 3 or y_pred.shape[1] not in (2, None):
        raise ValueError(
            "An embedder learns from pairs of texts, a tuple of two lists: got vectors of the "
            f"shape {tuple(y_pred.shape)}."
        )
    vectors = unit_length(y_pred)
    return vectors[:, 0], vectors[:, 1]
