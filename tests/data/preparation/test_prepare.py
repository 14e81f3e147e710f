import hashlib
import json

import pytest
import tensorflow as tf

from albert_tf.data.preparation.run import prepare
from albert_tf.data.preparation.settings import PreparationSettings

BOOK = (
    "# Title: A Book\n\n## Year: 1900\n\n-------\n\n##  CHAPTER I\n\n{}\n\n##  CHAPTER II\n\n{}\n"
)
SENTENCES = ["The cat sat.", "A list of numbers!", "Plot the array?", "It was a _dull_ story."]
SMALL = {"sequence_length": 16, "shards": 2}


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Six small books."""
    folder = tmp_path_factory.mktemp("books")
    for number in range(6):
        chapters = (" ".join(SENTENCES[(number + i) % 4] for i in range(n)) for n in (60, 90))
        (folder / f"book{number}.md").write_text(BOOK.format(*chapters))
    return folder


@pytest.fixture
def vocabulary(tiny_proto, tmp_path):
    path = tmp_path / "v.model"
    path.write_bytes(tiny_proto)
    return path


def examples_of(directory, split="train"):
    files = sorted(map(str, directory.glob(f"{split}-*.tfrecord")))
    for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        yield {name: list(feature.int64_list.value) for name, feature in features.items()}


def test_the_manifest_describes_the_files(texts, vocabulary, tmp_path):
    settings = PreparationSettings(**SMALL, held_out=0.5)
    manifest = prepare([texts], vocabulary, tmp_path / "out", settings, num_workers=1)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    for name, split in manifest["splits"].items():
        rows = list(examples_of(tmp_path / "out", name))
        assert len(rows) == split["rows"] == sum(shard["rows"] for shard in split["shards"])
        assert sum(len(row["token_ids"]) for row in rows) == split["tokens"]
        for shard in split["shards"]:
            content = (tmp_path / "out" / shard["file"]).read_bytes()
            assert shard["bytes"] == len(content)
            assert shard["sha256"] == hashlib.sha256(content).hexdigest()
    proto = (tmp_path / "out" / "vocabulary.model").read_bytes()
    assert manifest["vocabulary"]["sha256"] == hashlib.sha256(proto).hexdigest()
