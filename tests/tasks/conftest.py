import dataclasses

import keras
import pytest

from albert_tf.models.backbone import AlbertBackbone


@pytest.fixture(scope="module")
def backbone(tiny_config):
    """One layer that learns within a few steps: wide initial weights break the symmetry."""
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, initializer_range=0.3)
    return AlbertBackbone(config)
