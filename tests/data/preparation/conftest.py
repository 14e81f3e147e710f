"""A small corpus, and how to look at what was prepared of it."""

import hashlib
from pathlib import Path

import pytest

from albert_tf.data.preparation.examples import example_class
from albert_tf.data.preparation.run import prepare
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.data.record_files import read_records

SENTENCES = ["The cat sat.", "A list of numbers!", "Plot the array?", "It was a _dull_ story."]
BOOK = (
    "# Title: A Book\n\n## Year: 1900\n\n-------\n\n##  CHAPTER I\n\n{}\n\n##  CHAPTER II\n\n{}\n"
)


@pytest.fixture(scope="session")
def books(tmp_path_factory):
    """Six small books."""
    folder = tmp_path_factory.mktemp("books")
    for number in range(6):
        chapters = (" ".join(SENTENCES[(number + i) % 4] for i in range(n)) for n in (60, 90))
        (folder / f"book{number}.md").write_text(BOOK.format(*chapters))
    return folder


@pytest.fixture(scope="session")
def vocabulary(tiny_proto, tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "tiny.model"
    path.write_bytes(tiny_proto)
    return path


@pytest.fixture
def prepare_books(books, vocabulary, tmp_path):
    """Prepares the books in this process; gives the new directory."""

    def run(name="out", num_workers=1, texts=(books,), **settings):
        settings = {"sequence_length": 16, "shards": 2, "held_out": 0.5} | settings
        out = tmp_path / name
        prepare(texts, vocabulary, out, PreparationSettings(**settings), num_workers=num_workers)
        return out

    return run


@pytest.fixture(scope="session")
def digests():
    """The name and digest of every file below a directory."""

    def of(directory: Path):
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        return {
            str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    return of


@pytest.fixture(scope="session")
def examples_of():
    """The examples of a split, in order."""

    def of(directory: Path, split="train"):
        for path in sorted(directory.glob(f"{split}-*.tfrecord")):
            for _, record in read_records(path):
                features = example_class().FromString(record).features.feature
                yield {name: list(feature.int64_list.value) for name, feature in features.items()}

    return of
