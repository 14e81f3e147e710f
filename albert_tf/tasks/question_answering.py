"""Where in the text the answer starts and ends (SQuAD 1.1)."""

import keras
import keras_hub
from keras import ops

from albert_tf.layers.heads import ProjectionHead
from albert_tf.tasks.base import AlbertTask


@keras.saving.register_keras_serializable("albert_tf")
class AlbertQuestionAnswering(AlbertTask, keras_hub.models.Task):
    """Two logits a token, start and end, independent (original: `create_v1_model`).

    Args:
        backbone: `AlbertBackbone`, with or without a pooler.
        dropout: on the sequence output, in [0, 1); the original has none.

    Returns: a dictionary of `start_logits` and `end_logits`, float32 `(batch, seq_len)`.

    `fit` takes `y`, a dictionary of the same names, int `(batch,)` positions.
    """

    reads_pooler = False

    def __init__(self, backbone, preprocessor=None, dropout=0.0, **kwargs):
        head = ProjectionHead(
            backbone.albert_config,
            2,
            dropout=dropout,
            dtype=backbone.dtype_policy,
            name="span_head",
        )
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.head = head
        self.dropout = dropout
        spans = head(backbone(backbone.input)["sequence_output"])
        outputs = {"start_logits": spans[..., 0], "end_logits": spans[..., 1]}
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def default_loss(self):
        return {name: _position_loss for name in ("start_logits", "end_logits")}

    def get_config(self):
        return super().get_config() | {"dropout": self.dropout}


@keras.saving.register_keras_serializable("albert_tf")
def _position_loss(positions, logits):
    # Half each: the original trains on the mean of the two.
    return 0.5 * ops.sparse_categorical_crossentropy(positions, logits, from_logits=True)
