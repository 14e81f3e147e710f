"""Labels of texts by the names of their classes, where a classifier knows these."""

import numbers

import numpy as np
import tensorflow as tf

from albert_tf.tasks.losses import ClassCrossentropy


class NamedClasses:
    """Mixin of classifiers with `class_names`: `fit` and `evaluate` take names for numbers.

    Stands before `AlbertTask`.
    """

    def fit(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Trains; labels may be names of classes. See the class, and `AlbertTask.fit`."""
        held_out = kwargs.get("validation_data")
        if isinstance(held_out, (tuple, list)) and len(held_out) > 1:
            x_dev, y_dev, *weights = held_out
            kwargs["validation_data"] = (x_dev, self._as_numbers(y_dev), *weights)
        return super().fit(x, self._as_numbers(y), batch_size, sample_weight, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Loss and metrics; labels may be names of classes. See `AlbertTask.evaluate`."""
        return super().evaluate(x, self._as_numbers(y), batch_size, sample_weight, **kwargs)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        if _is_text(y) and not tf.executing_eagerly():
            return super().preprocess_samples(x, self._as_numbers_in_graph(y), sample_weight)
        return super().preprocess_samples(x, self._as_numbers(y), sample_weight)

    def _as_numbers(self, y):
        """Names as indices of classes, of several labels a row as 0 and 1; numbers as they are."""
        if _is_text(y) and tf.executing_eagerly():
            y = y.numpy().tolist()
        if not isinstance(y, (list, tuple, np.ndarray)):
            return y
        several = self._takes_several
        is_numeric = isinstance(y, np.ndarray) and y.dtype.kind in "biuf"
        has_none = several and len(y) > 0 and all(_is_row(row) and not len(row) for row in y)
        if is_numeric or not (has_none or any(map(_has_name, y))):
            return self._checked(y)
        index_of = {name: index for index, name in enumerate(self._known_names())}
        rows = [row if several and _is_row(row) else [row] for row in y]
        hot = np.zeros((len(rows), len(index_of)), np.float32)
        for number, row in enumerate(rows):
            for label in map(_as_name, row):
                if several and not label:  # what makes the rows of a tensor equally long
                    continue
                if label not in index_of:
                    raise ValueError(
                        f"Labels must be names of classes ({', '.join(index_of)}), or their "
                        f"numbers: got {label!r} for row {number}, counted from 0."
                    )
                hot[number, index_of[label]] = 1.0
        return hot if several else hot.argmax(axis=-1).astype("int32")

    def _checked(self, y):
        """Numbers as they are; on some devices one that names no class makes the loss NaN."""
        shapes = (
            [np.shape(label) for label in y] if not isinstance(y, np.ndarray) else [y.shape[1:]]
        )
        if len(set(shapes)) > 1:
            raise ValueError(
                "Labels must have the same shape in all rows, or be names of classes: got the "
                f"shapes {sorted(set(shapes))}."
            )
        labels = np.asarray(y)
        if labels.dtype.kind not in "biuf":
            odd = [label for label in labels.ravel() if not isinstance(label, numbers.Real)]
            raise ValueError(f"Labels must be numbers, or names of classes: got {odd[:1]}.")
        if self._takes_several:
            self._check_several(labels)
        elif not self.is_regression:
            self._check_classes(labels)
        return y

    def _check_several(self, labels):
        expected = (len(labels), self.num_classes)
        if labels.shape != expected and labels.shape + (1,) != expected:
            raise ValueError(
                "Labels of a classifier with multi_label=True must be rows of 0 and 1, "
                f"(rows, {self.num_classes}), or lists of names: got the shape {labels.shape}."
            )

    def _check_classes(self, labels):
        if isinstance(getattr(self, "loss", None), ClassCrossentropy):
            ClassCrossentropy.refuse_rows(labels.shape, 2, self.num_classes)
        if labels.ndim != 1:
            return
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            raise ValueError(
                f"Labels must be numbers of the {self.num_classes} classes, counted from 0: got "
                f"{labels[wrong[0]]} for row {wrong[0]}."
            )

    def _as_numbers_in_graph(self, y):
        """As `_as_numbers`, for the rows of a dataset: `(batch,)`, or `(batch, labels)`.

        Several labels a row are ragged, or made equally long by the empty text.
        """
        names, several = self._known_names(), self._takes_several
        y = y.to_tensor("") if isinstance(y, tf.RaggedTensor) else y
        y = y[:, None] if several and len(y.shape) == 1 else y
        y = y if several else tf.reshape(y, [-1, 1])
        is_name = y[:, :, None] == tf.constant(names)
        known = tf.reduce_any(is_name, axis=2) | (several & (y == ""))
        message = f"Labels must be names of classes: {', '.join(names)}."
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(known), [message, y])]):
            is_label = tf.reduce_any(is_name, axis=1)
        if several:
            return tf.cast(is_label, tf.float32)
        return tf.argmax(is_label, axis=1, output_type=tf.int32)

    @property
    def _takes_several(self):
        return getattr(self, "multi_label", False)

    def _known_names(self):
        if self.class_names is None or self.is_regression:
            raise ValueError(
                "Labels can be texts where the model has class_names, one a class: this one has "
                "none. Give them to the constructor or to from_preset(), or give numbers for "
                "labels."
            )
        return self.class_names


def _is_text(y):
    """Whether labels are a tensor of texts, of rows of equal length or not."""
    return isinstance(y, (tf.Tensor, tf.RaggedTensor)) and y.dtype == tf.string


def _is_row(label):
    return isinstance(label, (list, tuple, np.ndarray))


def _has_name(label):
    """Whether a label, or one of several of a row, is a text."""
    return any(map(_has_name, label)) if _is_row(label) else isinstance(label, (str, bytes))


def _as_name(label):
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
