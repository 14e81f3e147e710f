"""Layer normalization, always in at least float32."""

import keras
from keras import ops

# contrib's layer_norm, which the original uses; 1e-12 leaves a float32 variance unchanged.
EPSILON = 1e-12


@keras.saving.register_keras_serializable("albert_tf")
class LayerNorm(keras.layers.Layer):
    """Scales each row to mean 0 and variance 1, then by `gamma` and `beta`.

    Mean and variance of bfloat16 rows lose the signal, so input is raised to float32 whatever
    the model computes in, and the caller lowers the result. Plain means and products: on a CPU
    these were faster than the fused batch norm that Keras's layer tries first (`docs/log.md`).

    Call arguments:
        x: float `(..., width)`.

    Returns:
        float32 `(..., width)`.
    """

    def __init__(self, dtype=None, **kwargs):
        policy = keras.dtype_policies.get(dtype)
        super().__init__(dtype=policy if policy.compute_dtype == "float64" else "float32", **kwargs)

    def build(self, input_shape):
        # Never cast: a model of mixed precision reads them outside of this layer too.
        width = (input_shape[-1],)
        self.gamma = self.add_weight(width, initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(width, initializer="zeros", name="beta", autocast=False)

    def kernels(self):
        """Scale and offset as tensors, for `normalized`."""
        return ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta)

    def call(self, x):
        return normalized(x, self.gamma, self.beta)


def normalized(x, gamma, beta):
    """What `LayerNorm` computes, on weights given as tensors.

    Args:
        x: float `(..., width)`.
        gamma, beta: float32 or float64 `(width,)`.

    Returns:
        `(..., width)`, in the dtype of the weights.
    """
    x = ops.cast(x, gamma.dtype)
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return centred * ops.rsqrt(variance + EPSILON) * gamma + beta
