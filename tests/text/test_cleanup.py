import os
import runpy
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.text.cleanup import align_cleaned, clean_text, repair, spread_index

original = SimpleNamespace(**runpy.run_path(Path(__file__).parents[1] / "original_tokenization.py"))
ASSIGNED = [chr(p) for p in range(0x110000) if unicodedata.category(chr(p)) not in ("Cn", "Cs")]
# These take the careful branch, which must not hide the ordinary one.
RARE = ["\0", *"ⰯꟀꟐꟖꟘ", *map(chr, range(0x10570, 0x10596))]
TRICKY = [*"  \t\n\x1c\x85\u3000aAbBIiſΣσςßéÑ,3.", *"İﬁ½①Å각\u1100\u1161\u11a8日\0\ufeff\u200b¨´Ǻ"]
MARKS = ["\u0301", "\u0323", "\u0302", "\u0345", "\u0f71", "\u0f72"]
VARIANTS = [(True, False), (True, True), (False, False), (False, True)]


def cleaned_by_ops(texts, *settings):
    return [text.decode() for text in clean_text(tf.constant(texts), *settings).numpy()]


def random_texts(num_texts, seed):
    rng = np.random.default_rng(seed)
    tricky = np.array([*TRICKY, *MARKS])
    for length in rng.integers(0, 14, num_texts):
        yield "".join(rng.choice(tricky, length)) + ASSIGNED[rng.integers(len(ASSIGNED))]


def differences(texts, settings):
    cleaned = cleaned_by_ops(texts, *settings)
    expected = [original.clean(text, *settings) for text in texts]
    return [case for case in zip(texts, cleaned, expected, strict=True) if case[1] != case[2]]


@pytest.mark.parametrize("settings", [(True, False), (False, True)])
def test_every_assigned_character_is_cleaned_as_in_python(settings):
    texts = sorted(set(ASSIGNED) - set(RARE))
    assert differences(texts, settings) == []


@pytest.mark.parametrize("settings", VARIANTS)
def test_the_rare_characters_are_cleaned_as_in_python(settings):
    texts = [before + rare + after for rare in RARE for before in ("", "A") for after in ("", "B")]
    assert differences(texts, settings) == []


@pytest.mark.parametrize("settings", VARIANTS)
def test_mixed_text_is_cleaned_as_in_python(settings):
    # One capital sigma rule depends on Unicode 14 and later: see the module's docstring.
    texts = [text for text in random_texts(5000, seed=0) if "Σ" not in text[-8:]]
    assert differences(texts, settings) == []


@pytest.mark.parametrize("text", ["ΑΣ", "ΑΣ.", "ΑΣ ΑΣΑ", "Σ", "Α\u0301Σ", "Σ3Σ", "ΑΣ\0Σ"])
def test_a_capital_sigma_ends_a_word_as_in_python(text):
    assert differences([text], (True, False)) == []


def test_invalid_utf8_becomes_as_many_replacement_characters_as_in_python():
    rng = np.random.default_rng(0)
    parts = [b"\x80", b"\xc2", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xff", b"a", b" "]
    texts = [b"".join(rng.choice(parts, length)) for length in rng.integers(1, 6, 2000)]
    decoded = [text.decode("utf-8", "replace") for text in texts]
    assert [text.decode() for text in repair(tf.constant(texts)).numpy()] == decoded
    for settings in VARIANTS:
        expected = [original.clean(text, *settings) for text in decoded]
        assert cleaned_by_ops(texts, *settings) == expected


@pytest.mark.slow
def test_a_turkish_process_lowers_letters_like_any_other():
    code = (
        "import tensorflow as tf\n"
        "from albert_tf.text.cleanup import clean_text\n"
        "print(clean_text(tf.constant(['TITLE'])).numpy()[0])"
    )
    turkish = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], env=turkish, capture_output=True, text=True)
    assert run.stdout.strip() == "b'title'"


def test_no_text_at_all_is_cleaned_to_nothing():
    assert clean_text(tf.constant([], tf.string)).shape == (0,)


@pytest.mark.parametrize("keep_accents", [False, True])
def test_each_cleaned_character_has_a_source(keep_accents):
    texts = list(random_texts(2000, seed=1))
    starts, ends = align_cleaned(tf.constant(texts), keep_accents)
    lengths = [len(text) for text in cleaned_by_ops(texts, True, keep_accents)]
    np.testing.assert_array_equal(starts.row_lengths(), lengths)
    assert tf.reduce_all(starts.values < ends.values)


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("a  b", ["a", " ", "b"]),
        (" \tab ", ["a", "b"]),
        ("½", ["½", "½", "½"]),
        ("oﬁ", ["o", "ﬁ", "ﬁ"]),
        ("Zoë", ["Z", "o", "ë"]),
        ("Zoe\u0308\u0301!", ["Z", "o", "e\u0308\u0301", "!"]),
        ("\u0308a", ["a"]),
        ("", []),
        ("\u3000", []),
    ],
)
def test_the_source_is_the_character_with_its_marks(text, sources):
    # The second text's leading mark must not be taken for one of the first text's.
    starts, ends = align_cleaned(tf.constant([text, "\u0301x"]))
    spans = zip(starts[0].numpy(), ends[0].numpy(), strict=True)
    assert [text[start:end] for start, end in spans] == sources


def test_kept_marks_are_their_own_sources():
    starts, ends = align_cleaned(tf.constant(["e\u0301x"]), keep_accents=True)
    assert (starts.to_list(), ends.to_list()) == ([[0, 1, 2]], [[1, 2, 3]])


def test_spread_index_repeats_each_index_as_often_as_its_count():
    counts = np.random.default_rng(0).integers(0, 4, 50)
    expected = np.repeat(np.arange(50), counts)
    np.testing.assert_array_equal(spread_index(tf.constant(counts)), expected)
    assert spread_index(tf.constant([], tf.int64)).shape == (0,)
