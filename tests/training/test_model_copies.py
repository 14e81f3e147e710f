import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.loading import task_class
from albert_tf.training.model_copies import copy_of

ARGUMENTS = {
    "question_answering": {"head": "conditional", "null_threshold": 0.5},
    "early_exit_classifier": {"num_classes": 2},
    "seq2seq_lm": {"share_encoder": True},
    "masked_lm": {},
}


@pytest.mark.parametrize(("word", "arguments"), ARGUMENTS.items())
def test_a_copy_has_settings_and_weights_of_its_own(tiny_config, word, arguments):
    model = task_class(word)(AlbertBackbone(tiny_config), **arguments)
    copy = copy_of(model, hidden_dropout_prob=0.25)
    assert copy.backbone.albert_config.hidden_dropout_prob == 0.25
    ours, theirs = model.get_config(), copy.get_config()
    assert {k: v for k, v in ours.items() if k not in ("backbone", "name")} == {
        k: v for k, v in theirs.items() if k not in ("backbone", "name")
    }
    assert len({v.path for v in model.weights}) == len(model.weights) == len(copy.weights)
    model.weights[0].assign(np.zeros(model.weights[0].shape))
    assert np.any(copy.weights[0].numpy() != 0)
    for mine, its in zip(model.weights[1:], copy.weights[1:], strict=True):
        np.testing.assert_array_equal(mine.numpy(), its.numpy())
