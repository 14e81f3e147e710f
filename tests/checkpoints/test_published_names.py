"""The published checkpoints map completely: by their names and shapes, which is all we have."""

import dataclasses

import pytest

from albert_tf.checkpoints import albert_zh, hugging_face, tf1
from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.published import heads_of
from albert_tf.checkpoints.weights import Stored, check_fit
from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer

PUBLISHED = {"albert_base_en": "base", "albert_base_zh": "base_zh", "albert_tiny_zh": "tiny_zh"}


def stored_in(directory):
    """Name -> `Stored` of a list of variables; the index files hold no values."""
    (listing,) = directory.glob("*.variables.txt")
    lines = [line.split("\t") for line in listing.read_text().splitlines()]
    shapes = {name: [int(n) for n in shape.strip("[]").split(",") if n] for name, shape in lines}
    return {name: Stored(tuple(shape), None) for name, shape in shapes.items()}


@pytest.mark.parametrize(("directory", "preset"), PUBLISHED.items())
def test_every_published_name_is_a_weight_of_the_preset(shared, directory, preset):
    stored = tf1.canonical(stored_in(shared / "data" / "tf1_index" / directory))
    table = albert_zh.TABLE if albert_zh.is_layout_of(stored) else tf1.TABLE
    config = AlbertConfig.from_preset(preset)
    model = AlbertPretrainer(AlbertBackbone(config))
    shapes = {weight.path: tuple(weight.shape) for weight in model.weights}
    rows = table.rows(config, heads=heads_of(model, table))
    assert len(rows) == len(stored) == len(shapes)
    check_fit(shapes, rows, stored, directory, preset)


@pytest.mark.parametrize(("directory", "preset"), PUBLISHED.items())
def test_the_published_configuration_is_the_preset(shared, directory, preset):
    (path,) = (shared / "data" / "tf1_index" / directory).glob("*config*.json")
    ours, theirs = (
        AlbertConfig.from_preset(preset).to_dict(),
        AlbertConfig.from_json(path).to_dict(),
    )
    # The layout of albert_zh's tables is in the names of its weights, not in its configuration.
    ours.pop("factorized_tables")
    assert ours.items() <= theirs.items()


@pytest.mark.parametrize("prefix", ["", "module/"])
def test_training_state_and_the_prefix_of_tf_hub_are_tolerated(prefix):
    names = ["bert/pooler/dense/kernel", "bert/pooler/dense/kernel/adam_m", "global_step"]
    stored = {prefix + name: Stored((), None) for name in names}
    assert set(tf1.canonical(stored)) == {"bert/pooler/dense/kernel"}


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("inner", [1, 2])
def test_groups_and_inner_groups_map_by_number(tiny_config, groups, inner):
    config = dataclasses.replace(
        tiny_config, num_hidden_layers=2, num_hidden_groups=groups, inner_group_num=inner
    )
    ours = {weight.path for weight in AlbertBackbone(config).weights}
    for table in (hugging_face.TABLE, tf1.TABLE):
        rows = table.rows(config)
        assert {row.ours for row in rows} == ours
        assert len({row.published for row in rows}) == len(rows)


def test_nothing_shared_is_a_group_for_each_step(tiny_config):
    unshared = dataclasses.replace(tiny_config, sharing="none")
    grouped = dataclasses.replace(tiny_config, num_hidden_groups=tiny_config.num_hidden_layers)
    assert hugging_face.TABLE.rows(unshared) == hugging_face.TABLE.rows(grouped)


@pytest.mark.parametrize("sharing", ["attention", "ffn"])
def test_half_shared_layers_have_no_published_names(tiny_config, sharing):
    config = dataclasses.replace(tiny_config, sharing=sharing)
    with pytest.raises(CheckpointError, match=f"sharing='{sharing}' has no names"):
        tf1.TABLE.rows(config)


def test_the_original_names_only_the_groups_in_use(tiny_config):
    config = dataclasses.replace(tiny_config, num_hidden_layers=4, num_hidden_groups=12)
    stored = {f"bert/encoder/transformer/group_{g}/x": g for g in (0, 3, 6, 9)}
    renamed, config = tf1.used_groups(stored, config)
    assert renamed == {f"bert/encoder/transformer/group_{i}/x": 3 * i for i in range(4)}
    assert config.num_hidden_groups == 4
