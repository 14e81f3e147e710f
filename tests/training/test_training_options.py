import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import albert_tf
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.training.evaluation import load_run
from albert_tf.training.finetune import fine_tune
from albert_tf.training.memory import memory_estimate
from albert_tf.training.model_copies import copy_of
from albert_tf.training.preparation import prepare
from albert_tf.training.run_files import model_folder, reads_pairs
from albert_tf.training.seeds import summary_of_runs
from albert_tf.training.settings import FineTuneSettings

ROWS = [("a wonderful film", "good"), ("full of light", "good"), ("a dull story", "bad")]
TEXTS = np.array(["a wonderful film", "dull numbers"])


@pytest.fixture
def settings(tiny_start, tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS * 8))

    def make(**changes):
        values = {"out": tmp_path / "run", "train": path, "dev": path, "epochs": 2}
        return FineTuneSettings(**tiny_start | values | changes)

    return make


def test_additions_of_low_rank_are_all_that_moves_and_are_merged_in_the_copy(settings):
    model = prepare(settings(lora_rank=2)).model
    names = {v.path.rpartition("/")[2] for v in model.backbone.trainable_variables}
    assert names == {"lora_kernel_a", "lora_kernel_b", "bias"}
    for variable in model.trainable_variables:
        variable.assign(keras.random.normal(variable.shape, seed=1))
    copy = copy_of(model)
    assert not [v for v in copy.weights if "lora" in v.path]
    inputs = model.preprocessor(TEXTS)
    np.testing.assert_allclose(copy(inputs), model(inputs), atol=1e-5)  # float32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "given"),
    [
        ("AlbertTokenClassifier", {"num_classes": 3}, ({"words": [["a", "film"], ["dull"]]},)),
        ("AlbertMultipleChoice", {}, ({"choices": [["a film", "dull"], ["light", "a story"]]},)),
        ("AlbertQuestionAnswering", {"head": "conditional"}, ((["what?"], ["a dull story"]),)),
        ("AlbertMaskedLM", {}, (["a [MASK] film"],)),
        ("AlbertTextEmbedder", {}, (["a film", "a dull story"],)),
        ("AlbertSeq2SeqLM", {"share_encoder": True}, (["a film"], ["a story"])),
        ("AlbertEarlyExitClassifier", {"num_classes": 2}, (["a film", "a dull story"],)),
    ],
)
def test_every_task_trains_low_ranks_and_is_saved_without_them(
    tiny_config, tiny_tokenizer, name, arguments, given
):
    cls = getattr(albert_tf, name)
    model = cls(
        AlbertBackbone(tiny_config),
        preprocessor=cls.preprocessor_cls(tiny_tokenizer, 24),
        **arguments,
    )
    model.backbone.enable_lora(2)
    for variable in model.trainable_variables:
        if "lora" in variable.path:
            variable.assign(keras.random.normal(variable.shape, seed=1))
    x = keras.utils.unpack_x_y_sample_weight(model.preprocessor(*given))[0]
    inputs = {name: x[name] for name in model.input}
    with tf.GradientTape() as tape:
        outputs = model(inputs)
        loss = sum(
            tf.reduce_sum(out) for out in keras.tree.flatten(outputs) if out.dtype.is_floating
        )
    moved = zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    )
    assert all(gradient is not None for v, gradient in moved if "lora" in v.path)
    copy = copy_of(model)
    assert not [v for v in copy.weights if "lora" in v.path]
    for ours, theirs in zip(*map(keras.tree.flatten, (copy(inputs), outputs)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)  # float32, large additions


def test_dropout_of_the_encoder_is_set_without_touching_a_weight(settings):
    plain, changed = (prepare(settings(hidden_dropout=rate)).model for rate in (None, 0.3))
    assert changed.backbone.albert_config.attention_probs_dropout_prob == 0.3
    for ours, theirs in zip(changed.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_steps_and_warm_up_are_counted_in_updates(settings):
    preparation = prepare(settings(steps=13, warmup_steps=3, accumulate=2))
    assert (preparation.steps_per_epoch, preparation.epochs) == (6, 3)
    assert (preparation.total_steps, preparation.warmup_steps) == (13, 3)
    sizes = [len(labels) for _, labels in preparation.batches()]
    assert sizes == [2] * 26
    with pytest.raises(ValueError, match="warmup_steps must be below .* got 13 of 13"):
        prepare(settings(steps=13, warmup_steps=13))


@pytest.mark.slow
def test_all_options_together_end_in_the_model_that_was_scored(settings, tmp_path):
    chosen = settings(
        steps=5, accumulate=2, ema=0.5, layer_decay=0.5, freeze=("embeddings/",), eval_steps=2
    )
    before = prepare(chosen).model
    summary = fine_tune(chosen, show=False)
    rows = [json.loads(line) for line in (chosen.out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["split"] == "dev"] == [2, 4, 5]
    assert rows[-2]["learning_rate"] == pytest.approx(0.0, abs=1e-9)  # the end of the schedule
    trained = load_run(chosen.out)
    scores, _ = trained.job.evaluate(trained.model, trained.read())
    assert scores["loss"] == pytest.approx(summary["dev"]["loss"], abs=1e-5)  # float32
    embeddings = [model.backbone.embeddings.get_weights() for model in (before, trained.model)]
    for ours, theirs in zip(*embeddings, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert summary["trained_parameters"] < summary["parameters"]


@pytest.mark.slow
def test_two_devices_learn_what_one_does(settings, tmp_path):
    code = f"""
import tensorflow as tf
from pathlib import Path
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from albert_tf.training.fields import build
from albert_tf.training.finetune import fine_tune
from albert_tf.training.settings import FineTuneSettings
import json
values = json.loads(Path({str(tmp_path / "settings.json")!r}).read_text())
fine_tune(build(FineTuneSettings, values, "the test"), show=False)
"""
    one = fine_tune(settings(out=tmp_path / "one"), show=False)
    values = json.loads((tmp_path / "one" / "settings.json").read_text())
    values |= {"out": str(tmp_path / "two"), "strategy": "mirrored"}
    (tmp_path / "settings.json").write_text(json.dumps(values))
    subprocess.run([sys.executable, "-c", code], check=True)
    two = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert two["dev"]["loss"] == pytest.approx(one["dev"]["loss"], abs=1e-5)  # float32


def summary_of(accuracy, warnings=()):
    scores = None if accuracy is None else {"accuracy": accuracy, "loss": 1 - accuracy}
    found = {"dev": scores, "warnings": list(warnings), "task": "text-classification"}
    return found | {"baseline": 0.5, "pairs": True}


def test_several_seeds_give_a_median_and_name_the_failed(settings, tmp_path):
    runs = {"seed-0": summary_of(0.9), "seed-1": summary_of(0.5, ["no better"])}
    summary = summary_of_runs(settings(seeds=3), runs | {"seed-2": summary_of(0.8)})
    assert (summary["dev"]["accuracy"], summary["best_run"]) == (0.8, "seed-0")
    assert summary["dev_of_good_runs"]["accuracy"] == pytest.approx(0.85)
    assert [run["failed"] for run in summary["runs"].values()] == [False, True, False]
    assert summary["warnings"] == ["seed-1: no better"]
    broken = summary_of_runs(settings(seeds=2), {"seed-0": summary_of(None, ["broke"])})
    assert broken["dev"] is broken["best_run"] is None


def test_a_run_of_several_seeds_answers_with_the_best(tmp_path):
    (tmp_path / "seed-3" / "model").mkdir(parents=True)
    (tmp_path / "seed-3" / "summary.json").write_text('{"pairs": true}')
    (tmp_path / "summary.json").write_text('{"best_run": "seed-3"}')
    assert model_folder(tmp_path) == tmp_path / "seed-3" / "model"
    assert reads_pairs(tmp_path)


def test_the_memory_that_was_measured_is_estimated():
    """ALBERT-base at 4 x 128 tokens in float32: 0.84 GB for a step, gradients included."""
    from albert_tf.config import AlbertConfig

    backbone = SimpleNamespace(
        albert_config=AlbertConfig.from_preset("base"), compute_dtype="float32"
    )
    model = SimpleNamespace(
        backbone=backbone, trainable_variables=[], count_params=lambda: 11_683_584
    )
    options = SimpleNamespace(accumulate=1, ema=None)
    found = memory_estimate(model, options, rows=4, tokens_a_row=128)
    assert found["activations"] + 4 * 11_683_584 == pytest.approx(0.84e9, rel=0.1)
    options.accumulate = 4
    assert 4 * memory_estimate(model, options, 4, 128)["activations"] == found["activations"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"doc_stride": 64}, "--doc-stride is not for text classification, which takes"),
        ({"task": "sst-3"}, "no task 'sst-3': choose of .*Did you mean 'sst-2'"),
        ({"task": "sentence-order"}, "is not trained: it asks a pretrained model"),
        ({"task": "ax", "train": None, "dev": None, "data": Path("glue")}, "Train mnli"),
        ({"task": "squad", "train": None, "dev": None}, "Name the folder .* with --data"),
        ({"train": None, "dev": None}, "has no files of its own: name yours with --train"),
        (
            {"task": "rte", "train": None, "dev": None, "text": "x"},
            "rte have columns of their own: leave --text out",
        ),
        ({"class_weights": "fair"}, "class_weights must be 'balanced'"),
        ({"class_weights": {"so so": 2.0}}, "must name classes of the data, bad, good"),
        ({"freeze": ("nothing",)}, "no variable's path matches 'nothing'"),
    ],
)
def test_options_that_do_not_fit_are_refused(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        prepare(settings(**changes)).batches()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accumulate": 3}, "accumulate must divide batch_size: got 3 and 4"),
        ({"accumulate": 0}, "accumulate must be at least 1: got 0"),
        ({"learning_rate": float("inf")}, "learning_rate must be above 0, and finite: got inf"),
        ({"accumulate": 2, "strategy": "mirrored"}, "accumulated on one device only"),
        ({"strategy": "multiworker"}, "one or mirrored: got multiworker.*for `albert-tf pretrain`"),
        ({"ema": 1.0}, r"ema must be in \[0, 1\)"),
        ({"layer_decay": 0.0}, r"layer_decay must be in \(0, 1\]"),
        ({"seeds": 0}, "seeds must be at least 1"),
    ],
)
def test_numbers_outside_of_their_range_are_refused(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(settings(), **changes)


def test_mnli_is_scored_on_both_of_its_dev_files(settings, tmp_path):
    folder = tmp_path / "MNLI"
    folder.mkdir()
    labels = ("neutral", "entailment", "contradiction")
    lines = "".join(f"a film\ta story\t{label}\n" for label in labels)
    for name in ("train", "dev_matched", "dev_mismatched"):
        (folder / f"{name}.tsv").write_text("sentence1\tsentence2\tgold_label\n" + lines)
    preparation = prepare(settings(task="mnli", train=None, dev=None, data=tmp_path))
    assert list(preparation.also) == ["dev_mismatched"]
    assert preparation.model.class_names == ["contradiction", "entailment", "neutral"]
    # What is saved repeats the run: every option of the task has its value.
    assert preparation.settings.text == "sentence1"
    assert prepare(preparation.settings).settings == preparation.settings
