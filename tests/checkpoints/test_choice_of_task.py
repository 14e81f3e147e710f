"""Which class a checkpoint becomes, and how that and its configuration can be said otherwise."""

import shutil

import pytest

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.tasks.text_classifier import AlbertTextClassifier

CHOSEN = {
    "pretraining": "AlbertPretrainer",
    "masked_lm": "AlbertMaskedLM",
    "sequence_classification": "AlbertTextClassifier",
    "token_classification": "AlbertTokenClassifier",
    "question_answering": "AlbertQuestionAnswering",
    "multiple_choice": "AlbertMultipleChoice",
    "bare": "AlbertBackbone",
}


@pytest.mark.parametrize(("head", "name"), CHOSEN.items())
def test_the_class_is_that_of_the_weights(loaded, head, name):
    assert type(loaded(head)).__name__ == name


@pytest.mark.parametrize("task", [AlbertMaskedLM, "AlbertMaskedLM", "masked_lm"])
def test_a_task_is_a_class_a_name_or_a_word(golden, task):
    assert isinstance(
        load_checkpoint(golden / "transformers" / "pretraining", task), AlbertMaskedLM
    )


def test_an_unknown_task_is_named_with_those_that_exist(golden):
    with pytest.raises(ValueError, match="pretrainer, masked_lm.*got 'translator'"):
        load_checkpoint(golden / "transformers" / "bare", "translator")


@pytest.mark.parametrize("head", ["pretraining", "question_answering"])
def test_the_backbone_can_be_had_without_the_head(golden, head):
    backbone = load_checkpoint(golden / "transformers" / head, "backbone")
    assert isinstance(backbone, AlbertBackbone)


@pytest.mark.parametrize("head", ["masked_lm", "question_answering", "token_classification"])
def test_a_checkpoint_without_a_pooler_gives_a_backbone_without_one(loaded, head):
    assert not loaded(head).backbone.include_pooler


def test_the_classifier_takes_names_and_dropout_from_the_configuration(copy_of):
    copy = copy_of("sequence_classification")
    copy.config["id2label"] = {"2": "good", "0": "bad", "1": "so so"}
    copy.config |= {"classifier_dropout_prob": 0.3, "problem_type": "multi_label_classification"}
    model = load_checkpoint(copy.write())
    assert model.class_names == ["bad", "so so", "good"]
    assert (model.dropout, model.multi_label) == (0.3, True)


def test_a_token_classifier_without_a_dropout_of_its_own_takes_the_hidden_one(copy_of):
    copy = copy_of("token_classification")
    copy.config |= {"classifier_dropout_prob": None, "hidden_dropout_prob": 0.2}
    assert load_checkpoint(copy.write()).dropout == 0.2


def test_names_that_do_not_fit_the_classes_are_refused(copy_of):
    copy = copy_of("sequence_classification")
    copy.config["id2label"] = {"0": "bad", "1": "good"}
    with pytest.raises(CheckpointError, match="id2label must name the 3 classes"):
        load_checkpoint(copy.write())


def test_a_head_that_nothing_explains_is_asked_about(copy_of):
    copy = copy_of("sequence_classification")
    del copy.config["architectures"]
    with pytest.raises(CheckpointError, match="head of 3 outputs.*Give task="):
        load_checkpoint(copy.write())
    assert load_checkpoint(copy.directory, "text_classifier").num_classes == 3


def test_a_tf1_head_of_one_output_is_regression_or_choices_and_is_asked_about(loaded, tmp_path):
    save_checkpoint(loaded("multiple_choice"), tmp_path / "race", "tf1")
    with pytest.raises(CheckpointError, match="head of 1 outputs"):
        load_checkpoint(tmp_path / "race")
    assert load_checkpoint(tmp_path / "race", "text_classifier").is_regression


@pytest.mark.parametrize(("name", "meant"), {"gelu": "gelu_exact", "gelu_new": "gelu_new"}.items())
def test_gelu_is_exact_in_hugging_face_files(copy_of, name, meant):
    copy = copy_of("bare")
    copy.config["hidden_act"] = name
    assert load_checkpoint(copy.write()).albert_config.hidden_act == meant


def test_an_overridden_activation_survives_a_preset(copy_of, tmp_path):
    copy = copy_of("bare")
    copy.config["hidden_act"] = "gelu"
    load_checkpoint(copy.write(), hidden_act="gelu").save_to_preset(str(tmp_path / "preset"))
    assert load_checkpoint(tmp_path / "preset").albert_config.hidden_act == "gelu"


def test_the_number_of_heads_in_dispute_can_be_set(golden):
    model = load_checkpoint(golden / "transformers" / "bare", num_attention_heads=6)
    assert model.albert_config.num_attention_heads == 6


def test_an_unknown_override_is_named(golden):
    with pytest.raises(ValueError, match="no field num_heads"):
        load_checkpoint(golden / "transformers" / "bare", num_heads=6)


def test_a_configuration_can_stand_in_for_the_missing_file(golden, tmp_path):
    shutil.copy(golden / "transformers" / "bare" / "model.safetensors", tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no configuration"):
        load_checkpoint(tmp_path)
    config = AlbertConfig.from_json(golden / "transformers" / "bare" / "config.json")
    assert load_checkpoint(tmp_path, config=config).albert_config == config


def test_the_dtype_is_that_of_the_call(golden):
    model = load_checkpoint(golden / "transformers" / "masked_lm", dtype="mixed_bfloat16")
    assert model.backbone.dtype_policy.name == "mixed_bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}


def test_a_task_on_a_checkpoint_of_another_head_says_how_to_get_a_new_one(golden):
    path = golden / "transformers" / "pretraining"
    with pytest.raises(CheckpointError, match=r"For a new one: AlbertTextClassifier.from_preset"):
        load_checkpoint(path, "text_classifier")
    model = AlbertTextClassifier.from_preset(path, num_classes=4)
    assert model.num_classes == 4


def test_from_preset_loads_the_head_when_the_checkpoint_has_it(golden, loaded):
    found = AlbertTextClassifier.from_preset(golden / "transformers" / "sequence_classification")
    expected = loaded("sequence_classification").head.projection.kernel
    assert (found.head.projection.kernel.numpy() == expected.numpy()).all()
