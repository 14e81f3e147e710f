"""What every layer here has in common: it is built from an AlbertConfig, and saves it."""

import keras
from keras import ops

from albert_tf.config import AlbertConfig


class ConfiguredLayer(keras.layers.Layer):
    """A layer whose only architecture argument is the configuration."""

    def __init__(self, config: AlbertConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config

    def get_config(self):
        return super().get_config() | {"config": self.config.to_dict()}

    @classmethod
    def from_config(cls, saved):
        return cls(**saved | {"config": AlbertConfig.from_dict(saved["config"])})

    def initializer(self):
        """Truncated normal of the configured width, a fresh one for each weight."""
        return keras.initializers.TruncatedNormal(stddev=self.config.initializer_range)

    def dense(self, units, name, use_bias=True):
        """A plain product with bias, its weights drawn as the original draws them."""
        return keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=self.initializer(),
            dtype=self.dtype_policy,
            name=name,
        )


def activation(name):
    """The function that `hidden_act` names; see `albert_tf.config.ACTIVATIONS`."""
    if name in ("gelu", "gelu_new"):
        return lambda x: keras.activations.gelu(x, approximate=True)
    if name == "gelu_exact":
        return lambda x: keras.activations.gelu(x, approximate=False)
    return keras.activations.get(name)


def product(x, kernel, bias):
    """`x @ kernel + bias` for `x` of two dimensions.

    `ops.add`, unlike `+`, becomes a BiasAdd under TensorFlow, which is fused with the product and
    with the tanh form of GELU behind it.
    """
    return ops.add(ops.matmul(x, kernel), bias)
