"""ALBERT with both of its pretraining heads."""

from functools import partial

import keras
import keras_hub

from albert_tf.layers.heads import MaskedLMHead, ProjectionHead
from albert_tf.layers.replicas import sum_over_replicas
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.functional import NamedInputs, Recompiles
from albert_tf.models.objectives import (
    OBJECTIVES,
    ObjectiveMeasures,
    objective_counts,
    objective_loss,
    objective_sums,
)
from albert_tf.models.presets import KeptAsPreset
from albert_tf.optimizers.lamb import Lamb


@keras.saving.register_keras_serializable("albert_tf")
class AlbertPretrainer(NamedInputs, Recompiles, KeptAsPreset, keras_hub.models.Task):
    """Masked words and sentence order on one encoder (paper §3.1; original: run_pretraining.py).

    Args:
        backbone: `AlbertBackbone` with a pooler.

    Call arguments: a dictionary of the backbone's inputs and
        mask_positions: int `(batch, num_masked)`, in [0, seq_len); padded with 0.

    Returns: a dictionary of
        mlm_logits: float32 `(batch, num_masked, vocab_size)`.
        sop_logits: float32 `(batch, 2)`; class 0 = the segments are in order, 1 = swapped.

    `fit` takes batches `(x, y, sample_weight)`: `y` and `sample_weight` are dictionaries with the
    names of the outputs; weights 0 in `mlm_logits` switch off padded positions, and weights 0 in
    all of `sop_logits` the sentence order. The loss is the mean over all that counts, as in the
    paper, in the batches of all replicas together. `fit` and `evaluate` show `loss` and the four
    measures `masked_lm_loss`, `masked_lm_accuracy`, `sentence_order_loss` and
    `sentence_order_accuracy`, whose means are over answers, not over batches.
    """

    backbone_cls = AlbertBackbone
    _measures = None

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
        """Compiles with both objectives, their measures and LAMB where nothing else is given.

        Args:
            optimizer: `"auto"` is LAMB at a constant rate of 0.001.
            loss: `"auto"` for the objectives as the class describes them; anything else is left
                to Keras, names and means included.
            metrics: Keras metrics beside the measures; `"auto"` for none.
            **kwargs: as in Keras; `loss_weights` may name `mlm_logits` and `sop_logits`.
        """
        if optimizer == "auto":
            optimizer = Lamb(learning_rate=1e-3)
        self._measures = ObjectiveMeasures() if loss == "auto" else None
        # Keras keeps those of an earlier compilation where it is given none.
        self._compile_loss = self._compile_metrics = None
        super().compile(
            optimizer=optimizer,
            loss=None if loss == "auto" else loss,
            metrics=None if metrics == "auto" else metrics,
            **kwargs,
        )
        given = kwargs.get("loss_weights") or {}
        self._loss_weights = {
            name: given.get(objective.logits, 1.0) for name, objective in OBJECTIVES.items()
        }

    def fit(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """As `keras.Model.fit`, which shuffles arrays; keras_hub's leaves them in their order."""
        fit = super().fit if self.preprocessor is not None else partial(keras.Model.fit, self)
        return fit(x, y, batch_size=batch_size, sample_weight=sample_weight, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        return config | {"loss": "auto"} if config and self._measures else config

    def set_output_bias(self, log_frequencies):
        """Lets the scores of masked words start from the frequencies: see `MaskedLMHead`."""
        self.masked_lm_head.set_output_bias(log_frequencies)

    def objective_counts(self, batch):
        """How many answers of a batch count: see `albert_tf.models.objectives`."""
        return objective_counts(batch)

    def objective_sums(self, outputs, batch):
        """Losses, right answers and counts of a batch: see `albert_tf.models.objectives`."""
        return objective_sums(outputs, batch)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if self._measures is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        batch = _batch_of(y, sample_weight)
        sums = self.objective_sums(y_pred, batch)
        self._measures.update(sums)
        counts = sum_over_replicas({name: values.count for name, values in sums.items()})
        loss = objective_loss(sums, counts, self._loss_weights)
        return loss + sum(map(self._aggregate_additional_loss, self.losses))

    @property
    def metrics(self):
        return super().metrics + (self._measures.metrics if self._measures else [])

    def get_metrics_result(self):
        results = super().get_metrics_result()
        # Keras's own tracker weighs batches and replicas by rows, not by what was counted.
        if self._measures is not None and not self.losses:
            results["loss"] = sum(
                weight * results[f"{name}_loss"] for name, weight in self._loss_weights.items()
            )
        return results


def _batch_of(targets, weights):
    """The batch fields of what `fit` was given under the names of the outputs."""
    names = {objective.logits for objective in OBJECTIVES.values()}
    if not isinstance(targets, dict) or not names <= set(targets):
        got = sorted(targets) if isinstance(targets, dict) else type(targets).__name__
        raise ValueError(
            f"AlbertPretrainer.fit needs targets as a dictionary of {', '.join(sorted(names))}: "
            f"got {got}. Compile with a loss of your own for other targets."
        )
    batch = {}
    for objective in OBJECTIVES.values():
        batch[objective.labels] = targets[objective.logits]
        batch[objective.weights] = (weights or {}).get(objective.logits)
    return batch
