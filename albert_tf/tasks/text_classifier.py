"""One text or a pair: a class, several labels, or a number."""

import keras
import keras_hub
import numpy as np

from albert_tf.layers.heads import ProjectionHead
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.class_names import NamedClasses
from albert_tf.tasks.given_rows import is_dataset
from albert_tf.tasks.losses import ClassCrossentropy, LabelCrossentropy, SquaredError
from albert_tf.tasks.raw_batches import predict_rows, text_columns
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTextClassifier(NamedClasses, AlbertTask, keras_hub.models.TextClassifier):
    """Classification and regression on the pooled output (original: run_classifier.py).

    Args:
        backbone: `AlbertBackbone` with a pooler.
        num_classes: number of outputs; 1 is regression with a mean squared error.
        preprocessor: `AlbertTextClassifierPreprocessor`, or None to take arrays.
        class_names: texts to answer with, one a class; `fit` and `evaluate` then take them as
            labels, too.
        multi_label: whether the classes do not exclude each other; then labels are 0 or 1,
            `(batch, num_classes)`, or lists of names.
        dropout: on the pooled output, in [0, 1); the original fixes it at 0.1.

    Returns (`predict`, call): float32 logits `(batch, num_classes)`, not normalized.
    """

    preprocessor_cls = AlbertTextClassifierPreprocessor

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        class_names=None,
        multi_label=False,
        dropout=0.1,
        **kwargs,
    ):
        if not backbone.include_pooler:
            raise ValueError(
                "AlbertTextClassifier reads the pooled output: got a backbone with "
                "include_pooler=False. Load a checkpoint that has a pooler."
            )
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
        self.check_preprocessor(preprocessor)
        self.head = head
        self.num_classes = num_classes
        self.class_names = None if class_names is None else [str(name) for name in class_names]
        self.multi_label = multi_label
        self.dropout = dropout
        outputs = head(backbone(backbone.input)["pooled_output"])
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    @property
    def is_regression(self):
        """Whether the single output is a number rather than a class."""
        return self.num_classes == 1 and not self.multi_label

    def default_loss(self):
        if self.is_regression:
            return SquaredError()
        if self.multi_label:
            return LabelCrossentropy()
        return ClassCrossentropy()

    def default_metrics(self):
        if self.is_regression:
            return [keras.metrics.MeanSquaredError(name="mse")]
        if self.multi_label:
            return [keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")]
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def predict(self, x=None, batch_size=None, verbose="auto", **kwargs):
        """Logits of texts, of arrays or of a dataset; see the class, and `keras.Model.predict`.

        Texts are answered without a progress bar, those of similar length together.
        """
        takes_texts = self.preprocessor is not None and not (is_dataset(x) or kwargs)
        # Several replicas share a batch when Keras deals it.
        if not takes_texts or self.distribute_strategy.num_replicas_in_sync > 1:
            return super().predict(x, batch_size, verbose=verbose, **kwargs)
        logits = predict_rows(self, text_columns(x), batch_size)
        return np.zeros((0, self.num_classes), np.float32) if logits is None else logits

    def get_config(self):
        return super().get_config() | {
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "multi_label": self.multi_label,
            "dropout": self.dropout,
        }
