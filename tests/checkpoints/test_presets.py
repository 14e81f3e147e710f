"""Our own presets through `load_checkpoint`: the same guarantees as for published weights."""

import json
import subprocess
import sys

import h5py
import keras_hub
import numpy as np
import pytest

from albert_tf.checkpoints import keras_hub_preset
from albert_tf.checkpoints.error import CheckpointError
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.loading import load_checkpoint


@pytest.fixture
def preset(tmp_path, tiny_config):
    """A preset of a pretrainer, and the model that it holds."""
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    model.save_to_preset(str(tmp_path / "preset"))
    return tmp_path / "preset", model


def test_a_preset_comes_back_as_the_class_it_was(preset):
    directory, model = preset
    back = load_checkpoint(directory)
    assert type(back) is AlbertPretrainer
    for one, other in zip(model.weights, back.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_the_backbone_of_a_preset_can_be_had_alone(preset):
    directory, model = preset
    back = load_checkpoint(directory, "backbone")
    assert type(back) is AlbertBackbone
    for one, other in zip(model.backbone.weights, back.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_another_task_is_refused_with_the_way_to_a_new_head(preset):
    with pytest.raises(CheckpointError, match="holds AlbertPretrainer.*AlbertTextClassifier.from_"):
        load_checkpoint(preset[0], "text_classifier")


def test_a_preset_has_its_own_configuration(preset):
    with pytest.raises(ValueError, match="has its own configuration: leave out hidden_act"):
        load_checkpoint(preset[0], hidden_act="relu")


def test_the_optimizer_of_a_finished_training_is_left_behind(preset, tmp_path):
    model = preset[1]
    model.optimizer.build(model.trainable_variables)
    model.save_to_preset(str(tmp_path / "trained"))
    with h5py.File(tmp_path / "trained" / "task.weights.h5") as weights:
        assert len(weights["optimizer/vars"]) > 2
    back = load_checkpoint(tmp_path / "trained")
    assert not back.optimizer.built


@pytest.mark.parametrize("file", ["model.weights.h5", "task.weights.h5"])
def test_missing_unexpected_and_misshapen_weights_are_listed(preset, file):
    with h5py.File(preset[0] / file, "r+") as weights:
        found = []
        weights.visititems(lambda n, d: found.append(n) if isinstance(d, h5py.Dataset) else None)
        missing, misshapen = [name for name in found if "optimizer" not in name][:2]
        del weights[missing], weights[misshapen]
        weights[misshapen] = np.zeros((2, 7, 1))
        weights["layers/other/vars/0"] = np.zeros(3)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(preset[0])
    assert "1 missing, 1 unexpected, 1 misshapen" in str(error.value)
    for line in (f"{missing} [", "layers/other/vars/0 [3]", f"{misshapen}: found [2, 7, 1], "):
        assert f"    {line}" in str(error.value)


@pytest.mark.parametrize("file", ["model.weights.h5", "task.weights.h5"])
def test_a_truncated_or_absent_weights_file_is_refused(preset, file):
    path = preset[0] / file
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=f"{file} cannot be read as a Keras weights file"):
        load_checkpoint(preset[0])
    path.unlink()
    with pytest.raises(CheckpointError, match=f"lacks .*{file}"):
        load_checkpoint(preset[0])


@pytest.mark.parametrize("name", ["keras_hub>BertBackbone", "somewhere>Else"])
def test_a_preset_of_another_architecture_is_refused(preset, name):
    path = preset[0] / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"registered_name": name}))
    with pytest.raises(CheckpointError, match=f"must hold a preset of ALBERT: got one of {name}"):
        load_checkpoint(preset[0])


def test_of_a_keras_hub_task_only_the_backbone_can_be_had(tmp_path, tiny_config):
    theirs = keras_hub_preset.build(AlbertBackbone(tiny_config))
    task = keras_hub.models.AlbertTextClassifier(theirs, num_classes=2)
    task.save_to_preset(str(tmp_path / "preset"))
    with pytest.raises(CheckpointError, match="only the backbone can be read"):
        load_checkpoint(tmp_path / "preset")
    assert load_checkpoint(tmp_path / "preset", "backbone").albert_config == tiny_config


@pytest.mark.slow
def test_a_new_head_on_a_pretrained_preset_needs_no_import_of_the_pretrainer(preset):
    code = (
        "import sys; from albert_tf.tasks.text_classifier import AlbertTextClassifier as C\n"
        "print(C.from_preset(sys.argv[1], num_classes=3).num_classes)"
    )
    # A process of its own: in this one the pretrainer is imported, and so registered, already.
    command = [sys.executable, "-c", code, str(preset[0])]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.stdout.strip() == "3", ran.stderr


def test_a_pretrainer_of_mixed_precision_is_read_in_the_caller_s(tiny_config, tmp_path):
    model = AlbertPretrainer(AlbertBackbone(tiny_config, dtype="mixed_bfloat16"))
    model.save_to_preset(str(tmp_path / "preset"))
    back = load_checkpoint(tmp_path / "preset")
    assert back.backbone.dtype_policy.name == "float32"
    for ours, theirs in zip(back.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
