import inspect

import pytest

from albert_tf.tasks.loading import TASKS, task_class


@pytest.mark.parametrize("word", TASKS)
def test_fit_trains_with_dropout(word):
    """Keras's training step hands `training=True` only to a call that names the argument."""
    assert "training" in inspect.signature(task_class(word).call).parameters
