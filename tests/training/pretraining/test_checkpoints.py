import keras
import numpy as np
import pytest

from albert_tf.training.pretraining.checkpoints import Checkpoints, assign_values, values_of


@pytest.fixture
def variables():
    return [keras.Variable(np.full(shape, 1.0), name="table") for shape in ((2, 3), (4,))]


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def test_what_was_saved_comes_back(checkpoints, variables):
    variables[1].assign([1.0, 2.0, 3.0, 4.0])
    checkpoints.save(7, values_of(variables), {"note": "x"})
    variables[1].assign([0.0] * 4)
    values, state = checkpoints.load(7)
    assign_values(variables, values)
    np.testing.assert_array_equal(variables[1].numpy(), [1.0, 2.0, 3.0, 4.0])
    assert state["note"] == "x"


def test_a_checkpoint_that_was_not_finished_is_not_seen(checkpoints, variables):
    checkpoints.save(1, values_of(variables))
    path = checkpoints.path(2)
    path.with_name(f".0a1b2c3d.{path.name}").mkdir()
    assert checkpoints.steps() == [1]


def test_the_newest_and_the_best_are_kept(checkpoints, variables):
    for step in (1, 2, 3, 4):
        checkpoints.save(step, values_of(variables))
        if step == 1:
            checkpoints.mark_best(1, 0.5)
    assert checkpoints.steps() == [1, 3, 4]
    assert checkpoints.best() == {"step": 1, "score": 0.5}


def test_a_changed_file_is_not_taken_for_whole(checkpoints, variables):
    checkpoints.save(1, values_of(variables))
    path = checkpoints.save(2, values_of(variables)) / "variables.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"step-00000002 is damaged.*before: \[1\]"):
        checkpoints.load(2)


def test_variables_of_another_model_are_refused(checkpoints, variables):
    values = values_of(variables)
    with pytest.raises(ValueError, match="must hold the 1 variables of this run: it has 2"):
        assign_values(variables[:1], values)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        assign_values(variables[::-1], values)
