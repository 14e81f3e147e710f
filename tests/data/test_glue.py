import sys
import tarfile
import types

import numpy as np
import pytest

from albert_tf.data.glue import TASKS, glue_task, read_glue
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
    assert {"train", "dev"} <= set(task.splits)


def test_an_unknown_task_is_told_the_closest():
    with pytest.raises(ValueError, match=r"no GLUE task 'stt-2'.*mean 'sst-2'"):
        read_glue("stt-2")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="no split 'test': choose of train, dev"):
        read_glue("sst-2", "test")


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
