"""What is wrong with files is told by `finetune` before anything is written."""

import json

import pytest

from albert_tf import cli

CONTEXT = "The cat sat on the mat."


def squad(answer, start, context=CONTEXT):
    qa = {"id": "q", "question": "Where?", "answers": [{"text": answer, "answer_start": start}]}
    paragraphs = [{"context": context, "qas": [qa]}]
    return json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]})


GOOD = {
    "text-classification": ("tsv", "text\tlabel\na film\tgood\na story\tbad\n"),
    "question-answering": ("json", squad("the mat", 15)),
    "entities": ("conll", "Paris B-place\nis O\n\n"),
    "multiple-choice": ("json", '[{"question": "Who?", "choices": ["a", "b"], "answer": 0}]'),
    "fill-mask": ("txt", "a film\n"),
    "embeddings": ("tsv", "text\ttext_pair\na film\ta story\n"),
    "sequence-to-sequence": ("tsv", "source\ttarget\na film\ta story\n"),
}
TEXTS = "text-classification"
CASES = [
    (
        TEXTS,
        "train",
        b"text\tlabel\nfilm\xe9\tgood\n",
        "line 2: byte 0xe9 at position 5 is not UTF-8",
    ),
    (TEXTS, "train", b"text\tlabel\nfilm\tgood\textra\n", "line 2: the row has 3 fields where 2"),
    (TEXTS, "train", b"text\tlabel\n", "has no rows to read"),
    (TEXTS, "train", b"sentence\tlabel\na\tb\n", "no column 'text': it has 'sentence', 'label'"),
    (
        TEXTS,
        "dev",
        b"text\tlabel\na\tso so\n",
        "line 2: the label 'so so' was never seen in training",
    ),
    ("question-answering", "train", b'{"data": [\n{"title": ]}', "line 2, column 11: not JSON"),
    ("question-answering", "train", squad("the mat", 3).encode(), "It stands at character 15"),
    ("question-answering", "train", squad("the dog", 3).encode(), "It is nowhere in the context"),
    ("question-answering", "dev", b'{"data": []}', "has no questions to read"),
    ("entities", "train", b"Paris B-place\nis\n", "line 2: a line needs 2 columns: got 'is'"),
    ("entities", "dev", b"Paris B-film\n", "B-film"),
    ("multiple-choice", "train", b'[{"choices": ["a", "b"], "answer": 2}]', "item 1"),
    ("multiple-choice", "train", b'[{"choices": ["a"], "answer": 0}]', "two choices or more"),
    ("multiple-choice", "train", b'[{"question": "Who?", "answer": 0}]', "'choices'"),
    ("fill-mask", "train", b"", "has no rows to read"),
    ("embeddings", "train", b"text\ta\nx\ty\n", "no column 'text_pair'"),
    ("sequence-to-sequence", "train", b"source\ttext\nx\ty\n", "no column 'target'"),
]


@pytest.mark.parametrize(("task", "side", "content", "message"), CASES)
def test_a_bad_file_is_refused_with_its_place(tmp_path, capsys, task, side, content, message):
    ending, good = GOOD[task]
    for name in ("train", "dev"):
        wanted = content if name == side else good.encode()
        (tmp_path / f"{name}.{ending}").write_bytes(wanted)
    code = cli.main(
        ["finetune", "--task", task, "--config", "base", "--vocab", "absent.model"]
        + ["--train", str(tmp_path / f"train.{ending}"), "--dev", str(tmp_path / f"dev.{ending}")]
        + ["--out", str(tmp_path / "run")]
    )
    err = capsys.readouterr().err
    assert (code, "Traceback" in err) == (2, False)
    assert message in err
    assert f"{side}.{ending}" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["tfds:", "tfds:imdb_reviews", "tfds::train"])
def test_a_data_set_is_named_with_its_split(tmp_path, capsys, name):
    flags = ("--config", "base", "--vocab", "absent.model", "--out", str(tmp_path / "run"))
    assert cli.main(["finetune", "--train", name, *flags]) == 2
    assert "is named tfds:NAME:SPLIT" in capsys.readouterr().err
