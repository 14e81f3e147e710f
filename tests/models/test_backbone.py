import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer

RNG = np.random.default_rng(0)
INPUTS = {
    "token_ids": RNG.integers(5, 88, (2, 7)).astype("int32"),
    "segment_ids": np.array([[0, 0, 0, 1, 1, 1, 1], [0] * 7], "int32"),
    "padding_mask": np.array([[1] * 7, [1, 1, 1, 1, 0, 0, 0]], "int32"),
}
SHAPES = [
    {},
    {"sharing": "attention"},
    {"sharing": "ffn", "inner_group_num": 2},
    {"sharing": "none"},
    {"num_hidden_groups": 3, "inner_group_num": 2},
    {"embedding_size": 24},
    {"factorized_tables": "words"},
]


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_the_model_has_as_many_weights_as_the_closed_form(tiny_config, changes):
    config = dataclasses.replace(tiny_config, **changes)
    backbone = AlbertBackbone(config)
    assert backbone.count_params() == config.num_params
    assert backbone(INPUTS)["pooled_output"].shape == (2, 24)


def test_what_every_layer_makes_ends_in_the_output(tiny_config):
    backbone = AlbertBackbone(tiny_config)
    everything = backbone.all_outputs(INPUTS)
    assert everything["embedding_output"].shape == (2, 7, 8)
    assert len(everything["hidden_states"]) == 4
    for name, value in backbone(INPUTS).items():
        np.testing.assert_allclose(everything[name], value, atol=1e-6)


def test_two_texts_in_a_batch_answer_as_alone(tiny_config):
    backbone = AlbertBackbone(tiny_config)
    alone = backbone({name: value[1:, :4] for name, value in INPUTS.items()})
    # Products of another shape are summed in another order: a few float32 roundings.
    np.testing.assert_allclose(
        alone["pooled_output"][0], backbone(INPUTS)["pooled_output"][1], atol=1e-6
    )


def test_a_whole_batch_may_be_given_and_a_missing_input_is_named(tiny_config):
    backbone = AlbertBackbone(tiny_config)
    batch = {**INPUTS, "mask_positions": np.ones((2, 1), "int32"), "labels": np.ones(2, "int32")}
    np.testing.assert_array_equal(
        backbone(batch)["pooled_output"], backbone(INPUTS)["pooled_output"]
    )
    with pytest.raises(ValueError, match='Missing data for input "segment_ids"'):
        backbone({name: INPUTS[name] for name in ("token_ids", "padding_mask")})


def test_a_row_longer_than_the_positions_is_refused(tiny_config):
    long = {name: np.ones((1, 49), "int32") for name in INPUTS}
    with pytest.raises(ValueError, match="at most 48 tokens.*got 49"):
        AlbertBackbone(tiny_config)(long)


def test_a_preset_gives_the_backbone_back(tiny_config, tmp_path):
    backbone = AlbertBackbone(tiny_config)
    backbone.save_to_preset(str(tmp_path / "preset"))
    again = AlbertBackbone.from_preset(str(tmp_path / "preset"))
    assert again.albert_config == tiny_config
    np.testing.assert_array_equal(again(INPUTS)["pooled_output"], backbone(INPUTS)["pooled_output"])


@pytest.mark.parametrize("cls", [AlbertBackbone, AlbertPretrainer])
def test_a_preset_is_read_from_a_path_and_never_overwritten(cls, tiny_config, tmp_path):
    model = AlbertBackbone(tiny_config, dtype="mixed_bfloat16")
    model = model if cls is AlbertBackbone else AlbertPretrainer(model)
    model.save_to_preset(tmp_path / "preset")
    again = cls.from_preset(tmp_path / "preset")
    assert again.dtype_policy.name == "float32"
    for ours, theirs in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(FileExistsError, match="must not exist yet"):
        model.save_to_preset(tmp_path / "preset")
    with pytest.raises(FileNotFoundError, match="got books_small.*load_checkpoint"):
        cls.from_preset("books_small")


@pytest.mark.parametrize("config", ["base", {"hidden_size": 768}])
def test_a_backbone_is_built_from_a_configuration_alone(config):
    with pytest.raises(TypeError, match="must be an AlbertConfig: got .*from_preset"):
        AlbertBackbone(config)


def test_lora_trains_query_and_value_alone(tiny_config):
    backbone = AlbertBackbone(tiny_config)
    backbone.enable_lora(2)
    trained = {variable.path.split("/")[-2] for variable in backbone.trainable_variables}
    assert trained == {"query", "value"}
    before = np.array(backbone(INPUTS)["pooled_output"])
    lora = [v for v in backbone.trainable_variables if "lora_kernel_b" in v.name]
    assert len(lora) == 2
    lora[0].assign(np.full(lora[0].shape, 100.0))
    assert np.abs(np.array(backbone(INPUTS)["pooled_output"]) - before).max() > 1e-4


def test_the_pretrainer_scores_the_masked_positions_alone(tiny_config):
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    positions = np.array([[1, 5], [2, 3]], "int32")
    out = model({**INPUTS, "mask_positions": positions})
    assert out["sop_logits"].shape == (2, 2)
    every = np.array(
        model({**INPUTS, "mask_positions": np.tile(np.arange(7, dtype="int32"), (2, 1))})[
            "mlm_logits"
        ]
    )
    picked = np.take_along_axis(every, positions[..., None], axis=1)
    np.testing.assert_allclose(out["mlm_logits"], picked, atol=1e-6)


def test_the_word_table_is_tied_to_the_output(tiny_config):
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    own = sum(int(np.prod(weight.shape)) for weight in model.masked_lm_head.weights)
    assert own == (24 + 1) * 8 + 2 * 8 + 88
    x = {**INPUTS, "mask_positions": np.zeros((2, 1), "int32")}
    before = np.array(model(x)["mlm_logits"])
    table = model.backbone.embeddings.word_embeddings.embeddings
    changed = table.numpy().copy()
    changed[87, 0] += 1
    table.assign(changed)
    moved = np.abs(np.array(model(x)["mlm_logits"]) - before).max(axis=(0, 1))
    assert moved[87] > 1e-2


def test_padded_mask_positions_do_not_count(tiny_config):
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    x = {**INPUTS, "mask_positions": np.array([[1, 0], [2, 3]], "int32")}
    y = {"mlm_logits": np.array([[7, 0], [8, 9]]), "sop_logits": np.array([0, 1])}
    weights = {"mlm_logits": np.array([[1.0, 0], [1, 1]]), "sop_logits": np.ones(2)}
    log_odds = np.array(model(x)["mlm_logits"], "float64")
    log_odds -= np.log(np.exp(log_odds).sum(-1, keepdims=True))
    expected = -(log_odds[0, 0, 7] + log_odds[1, 0, 8] + log_odds[1, 1, 9]) / 3
    losses = model.evaluate(x, y, sample_weight=weights, return_dict=True, verbose=0)
    # float32 sums against float64.
    np.testing.assert_allclose(losses["masked_lm_loss"], expected, rtol=1e-5)


@pytest.mark.slow
def test_the_model_runs_on_jax_as_on_tensorflow(tiny_config, tmp_path):
    pytest.importorskip("jax")
    code = (
        "import sys, numpy as np\n"
        "from albert_tf.config import AlbertConfig\n"
        "from albert_tf.models.backbone import AlbertBackbone\n"
        "from albert_tf.models.pretrainer import AlbertPretrainer\n"
        "import keras; assert keras.backend.backend() == 'jax'\n"
        "data = dict(np.load(sys.argv[1]))\n"
        "config = AlbertConfig.from_json(sys.argv[2])\n"
        "model = AlbertPretrainer(AlbertBackbone(config, recompute=True))\n"
        "model.load_weights(sys.argv[3])\n"
        "x = {k: data[k] for k in data if k not in ('mlm_logits', 'sop_logits')}\n"
        "out = model.predict(x, verbose=0)\n"
        "for name in out: np.testing.assert_allclose(out[name], data[name], atol=1e-5)\n"
        "y = {'mlm_logits': np.ones((2, 2), 'int32'), 'sop_logits': np.ones(2, 'int32')}\n"
        "model.fit(x, y, epochs=1, verbose=0)\n"
        "print('same')"
    )
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    x = {**INPUTS, "mask_positions": np.array([[1, 5], [2, 3]], "int32")}
    np.savez(tmp_path / "data.npz", **x, **model.predict(x, verbose=0))
    tiny_config.to_json(tmp_path / "config.json")
    model.save_weights(tmp_path / "m.weights.h5")
    files = [str(tmp_path / name) for name in ("data.npz", "config.json", "m.weights.h5")]
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    ran = subprocess.run(
        [sys.executable, "-c", code, *files], env=environment, capture_output=True, text=True
    )
    assert ran.stdout.strip().endswith("same"), ran.stderr
