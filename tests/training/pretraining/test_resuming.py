"""A run that is broken off and goes on must be the run that never was.

`test_processes.py` does the same to real processes, and `test_run_directory.py` shows what else is
refused where a run goes on.
"""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from albert_tf.data.record_set import RecordSet
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.training.fields import as_values
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.loop import Loop
from albert_tf.training.pretraining.run import pretrain


class Broken(Exception):
    pass


def break_at(step, monkeypatch):
    """Lets the loop fail right after an update, before anything of its step is written."""
    after = Loop._after

    def fail(self, done, **words):
        if done == step:
            raise Broken
        after(self, done, **words)

    monkeypatch.setattr(Loop, "_after", fail)


def test_a_run_that_broke_off_is_bit_equal_to_one_that_did_not(
    eventful, whole, assert_same_run, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    break_at(17, monkeypatch)
    with pytest.raises(Broken):
        pretrain(eventful(run), show=False)
    monkeypatch.undo()
    checkpoints = Checkpoints(run / "checkpoints")
    assert checkpoints.steps()[-2:] == [12, 15]
    (checkpoints.path(15) / "variables.safetensors").write_bytes(b"damaged")
    # Epochs have 8 steps: updates 13 to 17 are made again, and 17 begins the third epoch.
    with pytest.warns(UserWarning, match="damaged-step-00000015. The run goes on from step 12"):
        pretrain(eventful(run), show=False)
    assert json.loads((run / "resumed.jsonl").read_text())["step"] == 12
    assert_same_run(run, whole)


@pytest.mark.slow
def test_the_best_model_is_that_of_its_checkpoint(settings, tmp_path):
    run = tmp_path / "run"
    # So high a rate that the first scores are the best.
    pretrain(settings(run, learning_rate=3.0, eval_every=3, best_by="masked_lm_loss"), show=False)
    checkpoints = Checkpoints(run / "checkpoints")
    best = checkpoints.best()["step"]
    assert best < 20
    for step, name in ((best, "best_model"), (20, "model")):
        stored = checkpoints.load(step)[0]
        model = load_checkpoint(run / name, "pretrainer")
        for variable in model.weights:
            np.testing.assert_array_equal(stored[f"model/{variable.path}"], variable)


def test_a_run_that_is_best_at_its_end_has_one_model(whole):
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    scores = {row["step"]: row["masked_lm_accuracy"] for row in rows if row["split"] == "held_out"}
    is_last_best = max(scores, key=scores.get) == 20
    assert (whole / "best_model").is_dir() != is_last_best


def test_a_run_notes_the_vocabulary_of_its_records(whole, records):
    noted = json.loads((whole / "environment.json").read_text())["data"]["vocabulary"]
    assert noted == RecordSet.open(records).vocabulary_sha256


def test_a_run_at_its_end_is_left_alone(eventful, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    with pytest.raises(FileExistsError, match="at its end"):
        pretrain(eventful(whole), show=False)
    assert before == {path: path.stat().st_mtime_ns for path in whole.rglob("*")}


def test_other_settings_and_fewer_steps_than_done_are_refused(eventful, whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "summary.json").unlink()
    with pytest.raises(ValueError, match="steps was 20 and is 19; beta_2 was 0.999 and is 0.9"):
        pretrain(eventful(run, steps=19, beta_2=0.9), show=False)
    settings = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps(settings | {"steps": 19}))
    with pytest.raises(ValueError, match="steps must be at least the 20 that are done: got 19"):
        pretrain(eventful(run, steps=19), show=False)


def test_a_configuration_file_that_was_changed_is_refused(eventful, whole, tmp_path):
    run, file = shutil.copytree(whole, tmp_path / "run"), tmp_path / "config.json"
    (run / "summary.json").unlink()
    chosen = eventful(run, config=str(file))
    (run / "settings.json").write_text(json.dumps(as_values(chosen)))
    # Of shared layers, a deeper model has the same variables.
    file.write_text(json.dumps(eventful(run).config | {"num_hidden_layers": 3}))
    with pytest.raises(ValueError, match="the content of configuration is another"):
        pretrain(chosen, show=False)


def test_a_batch_that_does_not_split_evenly_is_refused(settings, tmp_path):
    with pytest.raises(ValueError, match="got 8 rows, 1 devices and 3 micro_batches. A batch_size"):
        pretrain(settings(tmp_path / "run", micro_batches=3), show=False)
    assert not (tmp_path / "run").exists()


def test_records_that_do_not_fill_a_batch_leave_no_run_behind(settings, tmp_path):
    with pytest.raises(ValueError, match="'train' has 70 rows, fewer than one batch of 71"):
        pretrain(settings(tmp_path / "run", batch_size=71), show=False)
    assert not (tmp_path / "run").exists()


def test_the_best_by_a_measure_that_there_is_none_of_is_refused(settings, records, tmp_path):
    copy = shutil.copytree(records, tmp_path / "records")
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"objective": "sop"', '"objective": "none"'))
    chosen = settings(tmp_path / "run", best_by="sentence_order_accuracy")
    with pytest.raises(ValueError, match="got sentence_order_accuracy, and .*objective none"):
        pretrain(dataclasses.replace(chosen, records=copy), show=False)
    assert not (tmp_path / "run").exists()


def test_other_masks_than_those_that_the_records_were_written_with_are_refused(
    settings, records, tmp_path
):
    copy = shutil.copytree(records, tmp_path / "records")
    manifest = json.loads((copy / "manifest.json").read_text())
    written = {"masking": "static", "max_predictions": 5, "mask_fraction": 0.2, "max_ngram": 3}
    manifest["settings"] |= written
    (copy / "manifest.json").write_text(json.dumps(manifest))
    chosen = dataclasses.replace(settings(tmp_path / "run", mask_fraction=0.3), records=copy)
    with pytest.raises(ValueError, match="mask_fraction must be left out, or be 0.2: .* Got 0.3"):
        pretrain(chosen, show=False)
    assert not (tmp_path / "run").exists()
