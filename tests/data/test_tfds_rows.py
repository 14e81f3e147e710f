import sys
import types

import numpy as np
import pytest

from albert_tf.data.tables import read_examples
from albert_tf.data.tfds_rows import rows_of


@pytest.fixture
def reviews(monkeypatch):
    """tensorflow-datasets with one data set, of which the last label is not known."""
    names = types.SimpleNamespace(names=["neg", "pos"])
    rows = [
        {"text": "schön".encode(), "label": np.int64(1), "stars": np.float32(4.5)},
        {"text": b"dull", "label": np.int64(0), "stars": np.float32(1.0)},
    ]
    info = types.SimpleNamespace(features={"text": None, "label": names, "stars": None})
    asked = []

    def load(name, *, split, with_info):
        asked.append((name, split))
        return rows, info

    fake = types.SimpleNamespace(load=load, as_numpy=lambda data: data)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)
    return asked


def test_labels_come_under_their_names_and_texts_decoded(reviews):
    examples = read_examples(rows_of("tfds:shop/en:train[:2]"))
    assert reviews == [("shop/en", "train[:2]")]
    assert examples.texts == ["schön", "dull"]
    assert (examples.class_names, examples.labels.tolist()) == (("neg", "pos"), [1, 0])


def test_numbers_are_numbers(reviews):
    examples = read_examples(rows_of("tfds:shop:test"), label="stars", problem="regression")
    assert examples.labels.tolist() == [4.5, 1.0]


def test_a_file_stays_a_file():
    assert rows_of("train.tsv") == "train.tsv"
