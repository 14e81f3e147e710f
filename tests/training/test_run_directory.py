import json
from pathlib import Path

import pytest
import tensorflow as tf

from albert_tf.staging import DiskFull
from albert_tf.training.run_directory import RunDirectory

SETTINGS = {"rate": 0.1, "steps": 10, "out": "here"}


def go_on(path, settings=None, data=None):
    """Opens a run that may exist; gives a context manager."""
    return RunDirectory.begin_or_go_on(
        path,
        settings or SETTINGS,
        0,
        data or {"rows": "abc"},
        defaults={"rate": 0.1},
        free_to_change=("out",),
    )


@pytest.fixture
def begun(tmp_path):
    path = tmp_path / "run"
    with go_on(path) as run:
        for step in (2, 4, 6):
            run.log("train", step, loss=1 / step)
    return path


def rows_of(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def events_of(path):
    files = map(str, (path / "tensorboard" / "train").iterdir())
    records = tf.data.TFRecordDataset(list(files)).as_numpy_iterator()
    events = [tf.compat.v1.Event.FromString(record) for record in records]
    return [(e.step, float(tf.make_ndarray(v.tensor))) for e in events for v in e.summary.value]


def test_what_comes_after_the_step_of_return_is_forgotten(begun):
    with go_on(begun) as run:
        run.go_on_from(4)
        run.log("train", 5, loss=0.5)
        assert [row["step"] for row in run.rows] == [2, 4, 5]
    assert [row["step"] for row in rows_of(begun)] == [2, 4, 5]
    assert events_of(begun) == [(2, 0.5), (4, 0.25), (5, 0.5)]
    assert json.loads((begun / "resumed.jsonl").read_text())["step"] == 4


def test_the_clock_goes_on_without_the_break(begun):
    with go_on(begun) as run:
        run.go_on_from(6)
        before = run.rows[-1]["seconds"]
        assert before <= run.log("train", 7, loss=0.0)["seconds"] < before + 60


def test_a_row_that_was_cut_off_is_forgotten(begun):
    with (begun / "metrics.jsonl").open("a") as file:
        file.write('{"split": "train", "st')
    with go_on(begun) as run:
        assert [row["step"] for row in run.rows] == [2, 4, 6]


def test_other_settings_are_refused_by_name(begun):
    changed = SETTINGS | {"rate": 0.2, "steps": 12, "out": "there"}
    message = "rate was 0.1 and is 0.2; steps was 10 and is 12"
    with pytest.raises(ValueError, match=message), go_on(begun, changed):
        pass
    with go_on(begun, SETTINGS | {"out": "there"}):
        assert json.loads((begun / "settings.json").read_text())["out"] == "there"


def test_a_setting_younger_than_the_run_had_its_default(begun):
    (begun / "settings.json").write_text(json.dumps({"steps": 10, "out": "here"}))
    with go_on(begun) as run:
        assert len(run.rows) == 3
    with pytest.raises(ValueError, match="rate was 0.1 and is 0.3"):
        (begun / "settings.json").write_text(json.dumps({"steps": 10, "out": "here"}))
        go_on(begun, SETTINGS | {"rate": 0.3}).__enter__()


def test_other_data_is_refused(begun):
    with (
        pytest.raises(ValueError, match="content of rows is another"),
        go_on(begun, data={"rows": "abd"}),
    ):
        pass


def test_a_run_of_another_kind_or_at_its_end_or_broken_is_refused(begun):
    settings = begun / "settings.json"
    settings.write_text(json.dumps(SETTINGS | {"epochs": 3}))
    with pytest.raises(FileExistsError, match="another kind: it has the settings epochs"):
        go_on(begun).__enter__()
    settings.write_text("{")
    with pytest.raises(ValueError, match="only where .*settings.json can be read"):
        go_on(begun).__enter__()
    (begun / "summary.json").write_text("{}")
    with pytest.raises(FileExistsError, match="at its end"):
        go_on(begun).__enter__()


def test_a_run_that_was_killed_before_it_had_its_settings_begins_again(tmp_path):
    for name in ("environment.json", ".0a1b2c3d.environment.json", ".0a1b2c3d.settings.json"):
        (tmp_path / name).write_text("{")
    with go_on(tmp_path) as run:
        run.log("train", 1, loss=0.5)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"environment.json", "settings.json", "metrics.jsonl", "tensorboard"}
    assert json.loads((tmp_path / "environment.json").read_text())["data"] == {"rows": "abc"}


def test_what_a_killed_run_was_writing_is_removed(begun):
    before = set(begun.iterdir())
    (begun / ".0a1b2c3d.model").mkdir()
    for name in (".0a1b2c3d.model/model.weights.h5", ".0a1b2c3d.learning_curve.png", ".mine"):
        (begun / name).write_text("half")
    with go_on(begun):
        assert set(begun.iterdir()) == before | {begun / ".mine"}


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="must not exist yet"):
        go_on(tmp_path).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_a_full_disk_is_told_by_the_file_that_had_no_room(begun):
    with go_on(begun) as run:
        run.go_on_from(6)
        (begun / "metrics.jsonl").unlink()
        (begun / "metrics.jsonl").symlink_to("/dev/full")
        with pytest.raises(DiskFull, match=r"full: .*metrics\.jsonl could not be written"):
            run.log("train", 7, loss=0.0)


def test_two_processes_cannot_write_one_run(begun):
    with go_on(begun), pytest.raises(FileExistsError, match="Another process is writing"):
        go_on(begun).__enter__()
    with go_on(begun):
        pass
