"""ALBERT with both of its pretraining heads."""

import keras
import keras_hub

from albert_tf.layers.heads import MaskedLMHead, ProjectionHead
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.functional import NamedInputs, Recompiles
from albert_tf.optimizers.lamb import Lamb


@keras.saving.register_keras_serializable("albert_tf")
class AlbertPretrainer(NamedInputs, Recompiles, keras_hub.models.Task):
    """Masked words and sentence order on one encoder (paper §3.1; original: run_pretraining.py).

    Args:
        backbone: `AlbertBackbone` with a pooler.

    Call arguments: a dictionary of the backbone's inputs and
        mask_positions: int `(batch, num_masked)`, in [0, seq_len); padded with 0.

    Returns: a dictionary of
        mlm_logits: float32 `(batch, num_masked, vocab_size)`.
        sop_logits: float32 `(batch, 2)`; class 0 = the segments are in order, 1 = swapped.

    `fit` takes batches `(x, y, sample_weight)`: `y` and `sample_weight` are dictionaries with the
    names of the outputs; weights 0 in `mlm_logits` switch off padded positions, and the loss is
    the mean over the weights that count, as in the paper.
    """

    backbone_cls = AlbertBackbone

    def __init__(self, backbone, preprocessor=None, **kwargs):
        config, dtype = backbone.albert_config, backbone.dtype_policy
        if not backbone.include_pooler:
            raise ValueError(
                "AlbertPretrainer needs a backbone with a pooler, which sentence order reads: got "
                "include_pooler=False. Use AlbertMaskedLM for masked words alone."
            )
        head = MaskedLMHead(config, backbone.embeddings, dtype=dtype, name="masked_lm_head")
        order = ProjectionHead(config, 2, dtype=dtype, name="sentence_order_head")
        positions = keras.Input((None,), dtype="int32", name="mask_positions")
        inputs = {**backbone.input, "mask_positions": positions}
        encoded = backbone(backbone.input)
        outputs = {
            "mlm_logits": head(encoded["sequence_output"], positions),
            "sop_logits": order(encoded["pooled_output"]),
        }
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.masked_lm_head = head
        self.sentence_order_head = order
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def compile(self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs):
        """Compiles with the two losses, accuracies and LAMB where nothing else is given."""
        if optimizer == "auto":
            optimizer = Lamb(learning_rate=1e-3)
        if loss == "auto":
            loss = {name: _mean_over_weights() for name in ("mlm_logits", "sop_logits")}
        if metrics == "auto":
            metrics = {}
        if metrics == {}:
            accuracy = keras.metrics.SparseCategoricalAccuracy
            kwargs.setdefault(
                "weighted_metrics",
                {
                    "mlm_logits": [accuracy(name="masked_lm_accuracy")],
                    "sop_logits": [accuracy(name="sentence_order_accuracy")],
                },
            )
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)


def _mean_over_weights():
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
