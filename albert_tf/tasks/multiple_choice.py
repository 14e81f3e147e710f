"""Which of several choices fits (RACE)."""

import keras
import keras_hub
from keras import ops

from albert_tf.layers.heads import ProjectionHead
from albert_tf.tasks.base import AlbertTask


@keras.saving.register_keras_serializable("albert_tf")
class AlbertMultipleChoice(AlbertTask, keras_hub.models.Task):
    """One logit for each choice, on its pooled output (original: race_utils.py).

    Args:
        backbone: `AlbertBackbone` with a pooler.
        dropout: on the pooled output, in [0, 1).

    Call arguments: the backbone's inputs with one more axis, int `(batch, num_choices, seq_len)`.

    Returns: float32 logits `(batch, num_choices)`, not normalized.
    """

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
        self.head = head
        self.dropout = dropout
        rows = {name: ChoicesAsRows(name=f"{name}_rows")(value) for name, value in inputs.items()}
        scores = head(backbone(rows)["pooled_output"])
        outputs = RowsAsChoices(name="logits")(scores, inputs["token_ids"])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def default_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def get_config(self):
        return super().get_config() | {"dropout": self.dropout}


@keras.saving.register_keras_serializable("albert_tf")
class ChoicesAsRows(keras.layers.Layer):
    """`(batch, num_choices, seq_len)` to `(batch * num_choices, seq_len)`."""

    def call(self, ids):
        return ops.reshape(ids, (-1, ops.shape(ids)[2]))

    def compute_output_spec(self, ids):
        return keras.KerasTensor((None, ids.shape[2]), ids.dtype)


@keras.saving.register_keras_serializable("albert_tf")
class RowsAsChoices(keras.layers.Layer):
    """Scores `(batch * num_choices, 1)` back to `(batch, num_choices)`."""

    def call(self, scores, ids):
        return ops.reshape(scores, ops.shape(ids)[:2])

    def compute_output_spec(self, scores, ids):
        return keras.KerasTensor(ids.shape[:2], scores.dtype)
