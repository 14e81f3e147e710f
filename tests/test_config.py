import dataclasses
import json

import pytest

from albert_tf.config import AlbertConfig

# Facts of the published checkpoints, and tables 3 and 4 of the paper.
PUBLISHED = {"base": 11_683_584, "large": 17_683_968, "xlarge": 58_724_864, "xxlarge": 222_595_584}
CHINESE = {
    "base_zh": 10_547_968,
    "large_zh": 16_548_352,
    "xlarge_zh": 57_589_248,
    "xxlarge_zh": 221_459_968,
}
MILLIONS = {
    # E, sharing: millions of parameters in the paper's tables 3 and 4, and to two digits.
    (64, "all"): 9.68,
    (128, "all"): 11.68,
    (256, "all"): 15.69,
    (768, "all"): 31.11,
    (64, "none"): 87.65,
    (128, "none"): 89.65,
    (256, "none"): 93.65,
    (768, "none"): 109.08,
    (128, "attention"): 63.65,
    (128, "ffn"): 37.69,
    (768, "attention"): 83.08,
    (768, "ffn"): 57.12,
}


@pytest.mark.parametrize(("preset", "num_params"), (PUBLISHED | CHINESE).items())
def test_size_is_that_of_the_published_checkpoint(preset, num_params):
    assert AlbertConfig.from_preset(preset).num_params == num_params


@pytest.mark.parametrize("size", PUBLISHED)
def test_version_1_has_the_same_shape(size):
    first = AlbertConfig.from_preset(f"{size}_v1")
    assert first.num_params == PUBLISHED[size]
    assert first.hidden_dropout_prob == (0 if size == "xxlarge" else 0.1)


@pytest.mark.parametrize(("ablation", "millions"), MILLIONS.items())
def test_size_of_the_ablations_is_that_of_the_paper(ablation, millions):
    embedding_size, sharing = ablation
    config = AlbertConfig(embedding_size=embedding_size, sharing=sharing)
    assert round(config.num_params / 1e6, 2) == millions


def test_unshared_layers_are_as_many_groups_as_layers():
    unshared = AlbertConfig(sharing="none")
    assert unshared.num_params == AlbertConfig(num_hidden_groups=12).num_params


@pytest.mark.parametrize("preset", AlbertConfig.presets())
def test_a_preset_survives_the_round_trip_through_json(preset, tmp_path):
    config = AlbertConfig.from_preset(preset)
    config.to_json(tmp_path / "albert_config.json")
    assert AlbertConfig.from_json(tmp_path / "albert_config.json") == config


def test_keys_that_the_code_does_not_use_survive_the_round_trip(tmp_path):
    values = {"net_structure_type": 3, "gap_size": 2, "num_memory_blocks": 1, "pooler_fc_size": 768}
    config = AlbertConfig.from_dict(values)
    config.to_json(tmp_path / "c.json")
    written = json.loads((tmp_path / "c.json").read_text())
    assert written.items() >= values.items()
    assert AlbertConfig.from_json(tmp_path / "c.json") == config


def test_configurations_can_be_keys():
    assert len({AlbertConfig(), AlbertConfig(), AlbertConfig(hidden_size=1536)}) == 2


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"hidden_size": 770}, r"770 / 12 = 64.17.*768 and 780"),
        ({"vocab_size": 0}, r"vocab_size.*at least 1: got 0"),
        ({"num_hidden_layers": 2.5}, r"num_hidden_layers.*got 2.5"),
        ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob.*\[0, 1\): got 1.0"),
        ({"hidden_dropout_prob": None}, r"hidden_dropout_prob must be a number: got None"),
        ({"initializer_range": "0.02"}, r"initializer_range must be a number: got '0.02'"),
        ({"initializer_range": 0}, r"initializer_range.*got 0"),
        ({"sharing": "some"}, r"sharing.*all, attention, ffn, none: got 'some'"),
        ({"hidden_act": "gleu"}, r"hidden_act.*gelu.*got 'gleu'"),
        ({"sharing": "ffn", "num_hidden_groups": 2}, r"num_hidden_groups must be 1.*got 2"),
    ],
)
def test_a_value_that_breaks_a_rule_is_named_with_a_fix(field, message):
    with pytest.raises(ValueError, match=message):
        AlbertConfig(**field)


def test_a_misspelt_key_is_refused_with_the_right_one():
    with pytest.raises(ValueError, match="'hiden_size'.*do you mean 'hidden_size'"):
        AlbertConfig.from_dict({"hiden_size": 64})


def test_an_unknown_preset_lists_those_that_exist():
    with pytest.raises(ValueError, match="'bse'.*base, base_v1"):
        AlbertConfig.from_preset("bse")


@pytest.mark.parametrize("content", [b'{"vocab_size": ', b"\xff\xfe{}"])
def test_broken_json_names_the_file(tmp_path, content):
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"c\.json must hold a JSON object"):
        AlbertConfig.from_json(tmp_path / "c.json")


def test_an_existing_file_is_not_overwritten(tmp_path):
    AlbertConfig().to_json(tmp_path / "c.json")
    with pytest.raises(FileExistsError, match=r"c\.json"):
        AlbertConfig().to_json(tmp_path / "c.json")


def test_gelu_of_a_hugging_face_file_is_the_exact_one():
    original = {"hidden_act": "gelu"}
    assert AlbertConfig.from_dict(original).hidden_act == "gelu"
    assert AlbertConfig.from_dict(original | {"model_type": "albert"}).hidden_act == "gelu_exact"


def test_a_hugging_face_file_is_translated_once(tmp_path):
    config = AlbertConfig.from_dict({"hidden_act": "gelu", "model_type": "albert"})
    changed = dataclasses.replace(config, hidden_act="gelu")
    for number, each in enumerate((config, changed)):
        each.to_json(tmp_path / f"{number}.json")
        assert AlbertConfig.from_json(tmp_path / f"{number}.json") == each


def test_another_layer_norm_epsilon_is_refused():
    with pytest.raises(ValueError, match="layer_norm_eps must be 1e-12.*got 1e-05"):
        AlbertConfig.from_dict({"model_type": "albert", "layer_norm_eps": 1e-5})


def test_steps_are_dealt_over_groups_in_contiguous_runs():
    config = AlbertConfig(num_hidden_layers=6, num_hidden_groups=3)
    assert [config.group_of(step) for step in range(6)] == [0, 0, 1, 1, 2, 2]
    # The original rounds 15 / 22 * 22 down to 14 in floating point; see docs/decisions.
    deep = AlbertConfig(num_hidden_layers=22, num_hidden_groups=22)
    assert [deep.group_of(step) for step in range(22)] == list(range(22))


def test_fields_are_the_keys_of_the_published_file(shared):
    file = shared / "data/tf1_index/albert_base_en/albert_config.json"
    published = json.loads(file.read_text())
    assert published.keys() <= {field.name for field in dataclasses.fields(AlbertConfig)}
    assert AlbertConfig.from_json(file) == AlbertConfig.from_preset("base")
