import dataclasses

import pytest

from albert_tf.config import AlbertConfig
from albert_tf.optimizers.defaults import usual_learning_rate


@pytest.mark.parametrize("preset", ["base", "large", "xlarge", "xxlarge", "base_zh"])
def test_published_sizes_begin_with_the_rate_of_the_paper(preset):
    assert usual_learning_rate(AlbertConfig.from_preset(preset)) == 2e-5


@pytest.mark.parametrize(("width", "rate"), [(128, 9e-4), (384, 3e-4), (312, 4e-4), (704, 2e-4)])
def test_a_narrow_model_takes_larger_steps(width, rate):
    config = AlbertConfig.from_preset("base")
    narrow = dataclasses.replace(config, hidden_size=width, num_attention_heads=1)
    assert usual_learning_rate(narrow) == rate
