"""Labels of texts by the names of their classes, where a classifier knows these."""

import numpy as np
import tensorflow as tf


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
        if isinstance(y, tf.Tensor) and y.dtype == tf.string and not tf.executing_eagerly():
            y = self._as_numbers_in_graph(y)
        return super().preprocess_samples(x, self._as_numbers(y), sample_weight)

    def _as_numbers(self, y):
        """Names as indices of classes, of several labels a row as 0 and 1; numbers as they are."""
        if isinstance(y, tf.Tensor) and y.dtype == tf.string and tf.executing_eagerly():
            y = y.numpy()
        if not isinstance(y, (list, tuple, np.ndarray)):
            return y
        is_numeric = isinstance(y, np.ndarray) and y.dtype.kind in "biuf"
        if is_numeric or not any(map(_has_name, y)):
            return self._checked(y)
        index_of = {name: index for index, name in enumerate(self._known_names())}
        rows = y if getattr(self, "multi_label", False) else [[label] for label in y]
        hot = np.zeros((len(rows), len(index_of)), np.float32)
        for number, row in enumerate(rows):
            for label in map(_as_name, row):
                if label not in index_of:
                    raise ValueError(
                        f"Labels must be names of classes ({', '.join(index_of)}), or their "
                        f"numbers: got {label!r} for row {number}, counted from 0."
                    )
                hot[number, index_of[label]] = 1.0
        return hot if getattr(self, "multi_label", False) else hot.argmax(axis=-1).astype("int32")

    def _checked(self, y):
        """Numbers of classes as they are; on some devices a wrong one makes the loss NaN."""
        labels = np.asarray(y)
        if labels.ndim != 1 or self.is_regression or getattr(self, "multi_label", False):
            return y
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            raise ValueError(
                f"Labels must be numbers of the {self.num_classes} classes, counted from 0: got "
                f"{labels[wrong[0]]} for row {wrong[0]}."
            )
        return y

    def _as_numbers_in_graph(self, y):
        """As `_as_numbers`, for the rows of a dataset with one label each."""
        names = self._known_names()
        is_name = tf.reshape(y, [-1, 1]) == tf.constant(names)
        known = tf.reduce_all(tf.reduce_any(is_name, axis=1))
        message = f"Labels must be names of classes: {', '.join(names)}."
        with tf.control_dependencies([tf.debugging.Assert(known, [message, y])]):
            return tf.argmax(is_name, axis=1, output_type=tf.int32)

    def _known_names(self):
        if self.class_names is None or self.is_regression:
            raise ValueError(
                "Labels can be texts where the model has class_names, one a class: this one has "
                "none. Give them to the constructor or to from_preset(), or give numbers for "
                "labels."
            )
        return self.class_names


def _has_name(label):
    """Whether a label, or one of several of a row, is a text."""
    several = isinstance(label, (list, tuple, np.ndarray))
    return any(map(_has_name, label)) if several else isinstance(label, (str, bytes))


def _as_name(label):
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
