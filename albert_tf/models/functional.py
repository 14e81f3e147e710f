"""Two habits of functional Keras models that ours do not share."""

import keras


class NamedInputs:
    """Mixin: a dictionary of inputs may hold more than the model takes, as a whole batch does.

    Keras flattens dictionaries by sorted name without a look at the names: one key too many, and
    the model reads the wrong arrays, with no more than a warning.
    """

    # Keras looks for the name `training` here: without it, `fit` would train without dropout.
    def call(self, inputs, training=None, mask=None):
        if isinstance(inputs, dict):
            # What is missing is refused by Keras itself, with the names.
            inputs = {name: inputs[name] for name in self.input}
        return super().call(inputs, training=training, mask=mask)


class Recompiles:
    """Mixin for models with a `compile` of their own, so that `.keras` files restore it."""

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)
