"""A class for every token: entities, parts of speech."""

import keras
import keras_hub

from albert_tf.layers.heads import ProjectionHead
from albert_tf.tasks.base import AlbertTask


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTokenClassifier(AlbertTask, keras_hub.models.Task):
    """One product on each token of the sequence output.

    Args:
        backbone: `AlbertBackbone`, with or without a pooler.
        num_classes: number of labels.
        class_names: texts to answer with, one a label.
        dropout: on the sequence output, in [0, 1).

    Returns: float32 logits `(batch, seq_len, num_classes)`, not normalized.

    `fit` takes `y` int `(batch, seq_len)` and, to leave tokens out, `sample_weight` of that shape.
    """

    reads_pooler = False

    def __init__(
        self, backbone, num_classes, preprocessor=None, class_names=None, dropout=0.1, **kwargs
    ):
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                f"class_names must have one name for each of the {num_classes} classes: got "
                f"{len(class_names)}, {list(class_names)}."
            )
        head = ProjectionHead(
            backbone.albert_config,
            num_classes,
            dropout=dropout,
            dtype=backbone.dtype_policy,
            name="classifier",
        )
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.head = head
        self.num_classes = num_classes
        self.class_names = None if class_names is None else [str(name) for name in class_names]
        self.dropout = dropout
        outputs = head(backbone(backbone.input)["sequence_output"])
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def default_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def get_config(self):
        return super().get_config() | {
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "dropout": self.dropout,
        }
