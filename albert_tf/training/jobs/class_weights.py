"""How much an example of a class counts in training."""

import numpy as np
import tensorflow as tf

BALANCED = "balanced"


def factors_of(class_weights, examples) -> tf.Tensor | None:
    """A factor for each class, float32 `(num_classes,)`; None where all count alike.

    Args:
        class_weights: `balanced` for all classes alike, which has scikit-learn's factors; a
            dictionary class -> factor, 1 where it is silent; or None.
        examples: `Examples` with class indices as labels.

    Raises:
        ValueError: the dictionary names a class that the data has not.
    """
    if class_weights is None:
        return None
    names = examples.class_names
    if class_weights == BALANCED:
        # The mean factor of an example is 1. Absent classes have none.
        counts = np.bincount(examples.labels, minlength=len(names))
        present = np.maximum(counts, 1)
        return tf.constant(len(examples) / ((counts > 0).sum() * present), tf.float32)
    unknown = sorted(set(class_weights) - set(names))
    if unknown:
        raise ValueError(
            f"class_weights must name classes of the data, {', '.join(names)}: got {unknown[0]!r}."
        )
    return tf.constant([float(class_weights.get(name, 1.0)) for name in names], tf.float32)
