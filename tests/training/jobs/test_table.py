import dataclasses

import pytest

from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.table import (
    FAMILIES,
    TASKS,
    all_options,
    family_class,
    find_task,
)


@pytest.mark.parametrize("name", TASKS)
def test_every_row_makes_its_job(name):
    row = TASKS[name]
    job, building = row.job()
    assert isinstance(job, Job)
    assert "sequence_length" in building or not job.is_trained
    assert set(row.also) <= set(row.splits)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_kind_of_task_and_options_that_are_flags(family):
    kinds = [name for name, row in TASKS.items() if row.family == family and not row.splits]
    assert len(kinds) == 1
    fields = {f.name for f in dataclasses.fields(family_class(family))}
    inner = {"values", "names", "top_k"}  # set by rows, or by callers
    assert fields <= all_options() | inner


@pytest.mark.parametrize(
    ("name", "meant"),
    [("SST-2", "sst-2"), ("sst2", "sst-2"), ("NER", "entities"), ("MNLI", "mnli")],
)
def test_a_task_goes_by_any_common_spelling(name, meant):
    assert find_task(name)[0] == meant


def test_an_unknown_task_is_told_the_closest():
    with pytest.raises(ValueError, match=r"no task 'squat': choose of .*mean 'squad'"):
        find_task("squat")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("text-classification", {"text": "0", "label": "2"}),
        ("embeddings", {"text": "0", "text_pair": "1"}),
        ("sequence-to-sequence", {"source": "0", "target": "1"}),
        ("fill-mask", {"text": "0"}),
        ("sentence-order", {"text": "0", "text_pair": "1", "label": "2"}),
    ],
)
def test_tables_without_names_of_columns_are_read_by_their_numbers(tmp_path, name, columns):
    (tmp_path / "d.tsv").write_text("a film\ta story\tin_order\nlight\tdull\tswapped\n")
    job, _ = TASKS[name].job({"header": False, **columns})
    assert job.read_data(tmp_path / "d.tsv").texts == ["a film", "light"]


def test_files_of_a_data_set_go_by_several_names(tmp_path):
    (tmp_path / "eng.testa").write_text("Paris I-LOC\n")
    row = TASKS["conll-2003"]
    job, _ = row.job()
    assert row.read(job, "dev", tmp_path).class_names == ("O", "B-LOC", "I-LOC")
    with pytest.raises(FileNotFoundError, match="no train.txt in"):
        row.read(job, "train", tmp_path)
    with pytest.raises(ValueError, match="no part 'val': choose of train, dev, test"):
        row.read(job, "val", tmp_path)
