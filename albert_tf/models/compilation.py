"""What saving needs to know of models that compile themselves."""

import keras


class Recompiles:
    """Mixin for models with a `compile` of their own, so that `.keras` files restore it."""

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)
