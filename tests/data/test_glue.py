import sys
import tarfile
import types

import numpy as np
import pytest

from albert_tf.data.glue import read_glue, submission
from albert_tf.data.glue_tasks import TASKS, glue_task
from albert_tf.data.tables import PROBLEMS


@pytest.fixture
def sst2(tmp_path):
    folder = tmp_path / "SST-2"
    folder.mkdir()
    (folder / "train.tsv").write_text('sentence\tlabel\nso "good \t1\ndull \t0\n')
    (folder / "dev.tsv").write_text("sentence\tlabel\nfun \t1\n")
    return folder


@pytest.mark.parametrize("where", [lambda folder: folder, lambda folder: folder.parent])
def test_sst2_is_read_from_its_folder_or_the_one_above(sst2, where):
    train = read_glue("sst-2", "train", where(sst2))
    assert train.texts == ['so "good ', "dull "]
    assert train.class_names == ("negative", "positive")
    assert train.labels.tolist() == [1, 0]
    assert read_glue("sst-2", "dev", where(sst2)).labels.tolist() == [1]


# Counted with `wc -l` on the files, less the header; the published sizes.
COUNTS = {"cola": 1043, "sst-2": 872, "sts-b": 1500, "qnli": 5463, "rte": 277, "wnli": 71}


def test_the_real_dev_files_are_read_whole(shared, tmp_path):
    with tarfile.open(shared / "data" / "glue.tar.xz") as archive:
        members = [m for m in archive if m.name.endswith("dev.tsv")]
        archive.extractall(tmp_path, members, filter="data")
    for name, count in COUNTS.items():
        dev = read_glue(name, "dev", tmp_path / "glue")
        assert len(dev) == len(dev.labels) == count
        assert (dev.text_pairs is None) == (TASKS[name].text_pair is None)


@pytest.mark.parametrize("name", ["sst-2", "SST-2", "sst2", "SST_2"])
def test_a_task_goes_by_any_common_spelling(name):
    assert glue_task(name) is TASKS["sst-2"]


@pytest.mark.parametrize("name", TASKS)
def test_every_row_of_the_table_is_complete(name):
    task = TASKS[name]
    assert task.problem in PROBLEMS
    assert (task.values is None) == (task.class_names is None) == (task.problem == "regression")
    assert task.values is None or len(task.values) == len(task.class_names)
    assert {"dev", "test"} <= set(task.splits)
    assert ("train" in task.splits) == (name != "ax")
    assert all(s.submission for part, s in task.splits.items() if part.startswith("test"))


def test_an_unknown_task_is_told_the_closest():
    with pytest.raises(ValueError, match=r"no GLUE task 'stt-2'.*mean 'sst-2'"):
        read_glue("stt-2")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="no split 'validation': choose of train, dev, test"):
        read_glue("sst-2", "validation")
    with pytest.raises(ValueError, match="Train mnli, and ask that model"):
        read_glue("ax", "train")


def test_a_folder_without_the_task_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no SST-2/dev\.tsv in"):
        read_glue("sst-2", "dev", tmp_path)


def test_a_download_without_the_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"albert-tf\[data\]"):
        read_glue("sst-2")


def test_downloaded_labels_go_by_name_not_by_number(monkeypatch):
    rows = [{"premise": b"a", "hypothesis": b"b", "label": 1}]
    names = types.SimpleNamespace(names=["entailment", "neutral", "contradiction"])
    info = types.SimpleNamespace(features={"label": names})
    fake = types.SimpleNamespace(load=lambda *a, **k: (rows, info), as_numpy=lambda data: data)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)
    examples = read_glue("mnli", "dev")
    assert examples.class_names[examples.labels[0]] == "neutral"
    assert (examples.texts, examples.text_pairs) == (["a"], ["b"])
    assert examples.labels.dtype == np.int32


def test_a_test_file_may_have_other_columns(tmp_path):
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\tBill whistled.\n")
    examples = read_glue("cola", "test", tmp_path, with_answers=False)
    assert (examples.texts, examples.labels) == (["Bill whistled."], None)


def test_the_diagnostics_have_files_of_their_own_and_the_labels_of_mnli(tmp_path):
    (tmp_path / "diagnostic").mkdir()
    whole = "Logic\tPremise\tHypothesis\tLabel\nNegation\tIt rains.\tIt is dry.\tcontradiction\n"
    (tmp_path / "diagnostic" / "diagnostic-full.tsv").write_text(whole)
    asked = "index\tsentence1\tsentence2\n0\tIt rains.\tIt is wet.\n"
    (tmp_path / "diagnostic" / "diagnostic.tsv").write_text(asked)
    dev = read_glue("ax", "dev", tmp_path)
    assert (dev.text_pairs, dev.class_names[dev.labels[0]]) == (["It is dry."], "contradiction")
    assert dev.class_names == TASKS["mnli"].class_names
    assert read_glue("ax", "test", tmp_path, with_answers=False).text_pairs == ["It is wet."]
    name, lines = submission("ax", "test", ["neutral"])
    assert (name, lines[1]) == ("AX.tsv", "0\tneutral")


def test_the_server_takes_labels_as_the_files_write_them():
    assert submission("cola", "test", ["acceptable", "unacceptable"]) == (
        "CoLA.tsv",
        ["index\tprediction", "0\t1", "1\t0"],
    )
    assert submission("mnli", "test_mismatched", ["neutral"])[0] == "MNLI-mm.tsv"
    assert submission("mnli", "test", ["neutral"])[1][1] == "0\tneutral"
    assert submission("sts-b", "test", [5.2, 1.23456, -0.1])[1][1:] == [
        "0\t5.000",
        "1\t1.235",
        "2\t0.000",
    ]
    with pytest.raises(ValueError, match="takes no answers for 'dev'"):
        submission("rte", "dev", [])
