import random

import numpy as np
import pytest

from albert_tf.text.plain_encoder import clean_lines, encoder_of
from albert_tf.text.vocabulary import read_vocabulary
from albert_tf.tokenizer import AlbertTokenizer

LINES = [
    "The cat sat on the mat, and 3, 14 or 1,000 dogs did not.",
    "In 1902, 7, or even 30, of them.",
    "Ça naïve “Straße” ½ ﬁne ™ ΣΑΣ ΟΔΟΣ. İstanbul",
    "日本語 한국어 Привет 🙂 a\u0301 𐞁\u0301",
    "",
    "[CLS] <pad> x\ud800y",
]


def random_lines(num_lines=300):
    rng = random.Random(0)
    letters = [*map(chr, range(32, 127)), *map(chr, range(0xA1, 0x250)), "\u0301", "👍", "中", "ﬀ"]
    return [" ".join("".join(rng.choices(letters, k=40)).split()) for _ in range(num_lines)]


@pytest.fixture(scope="module")
def published(shared):
    return shared / "data" / "spm" / "30k-clean.model"


@pytest.mark.parametrize("settings", [(True, False), (False, True)], ids=["uncased", "cased"])
@pytest.mark.parametrize("name", ["spm/30k-clean.model", "zh/vocab.txt"])
def test_ids_are_those_of_the_tokenizer(shared, name, settings):
    lines = LINES + random_lines()
    path = shared / "data" / name
    ids, ends = encoder_of(read_vocabulary(path), *settings).encode(lines)
    ragged = AlbertTokenizer(path, *settings)(lines)
    np.testing.assert_array_equal(ends, ragged.row_splits[1:])
    np.testing.assert_array_equal(ids, ragged.values)


def test_no_text_gives_no_ids(tiny_proto):
    encoder = encoder_of(read_vocabulary(tiny_proto))
    ids, ends = encoder.encode([])
    assert len(ids) == len(ends) == 0
    assert [list(part) for part in encoder.encode([""])] == [[], [0]]


def test_marks_beyond_the_common_plane_go_too():
    assert clean_lines(["A\u0301\U0001e8d0B", "C"]) == ["ab", "c"]


@pytest.mark.slow
def test_ids_are_those_of_the_tokenizer_on_real_text(published, shared):
    import tarfile

    with tarfile.open(shared / "data" / "books.tar.xz") as archive:
        books = (archive.extractfile(m) for m in archive if m.name.endswith(".md"))
        lines = [line for _, book in zip(range(40), books, strict=False) for line in book]
    lines = [squeezed for line in lines if (squeezed := " ".join(line.decode().split()))]
    ids, ends = encoder_of(read_vocabulary(published)).encode(lines)
    ragged = AlbertTokenizer(published)(lines)
    assert len(lines) > 50_000
    np.testing.assert_array_equal(ends, ragged.row_splits[1:])
    np.testing.assert_array_equal(ids, ragged.values)
