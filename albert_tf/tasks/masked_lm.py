"""Masked words, without sentence order."""

import keras
import keras_hub

from albert_tf.layers.heads import MaskedLMHead
from albert_tf.tasks.base import AlbertTask


@keras.saving.register_keras_serializable("albert_tf")
class AlbertMaskedLM(AlbertTask, keras_hub.models.MaskedLM):
    """Scores the vocabulary at masked positions (original: `get_masked_lm_output`).

    Args:
        backbone: `AlbertBackbone`, with or without a pooler.

    Call arguments: a dictionary of the backbone's inputs and
        mask_positions: int `(batch, num_masked)`, in [0, seq_len).

    Returns: float32 `(batch, num_masked, vocab_size)`, not normalized.

    `fit` takes `y` int `(batch, num_masked)`, the pieces that were there, and `sample_weight`
    `(batch, num_masked)`, 0 for padded positions.
    """

    reads_pooler = False

    def __init__(self, backbone, preprocessor=None, **kwargs):
        config, dtype = backbone.albert_config, backbone.dtype_policy
        head = MaskedLMHead(config, backbone.embeddings, dtype=dtype, name="masked_lm_head")
        positions = keras.Input((None,), dtype="int32", name="mask_positions")
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.masked_lm_head = head
        outputs = head(backbone(backbone.input)["sequence_output"], positions)
        super().__init__(
            inputs={**backbone.input, "mask_positions": positions}, outputs=outputs, **kwargs
        )

    def default_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="masked_lm_accuracy")]
