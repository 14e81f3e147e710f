"""The tokenizer for devices against the one of TensorFlow ops, and the sentencepiece package."""

import json
import subprocess
import sys
import unicodedata

import pytest

from albert_tf.text.device_tokenizer import DeviceTokenizer, clean
from albert_tf.text.normalizing_model import trimmed_proto
from albert_tf.text.unigram import UnigramModel
from albert_tf.tokenizer import AlbertTokenizer
from tests.tokenizer_cases import (
    processor_of,
    random_texts,
    squad_paragraphs,
    train,
    with_pieces,
)

SENTENCES = ["a sorted list, 3, 14 or 1,000 dogs", "the end of 21, 99 cats; ½ of ①", "ab cd"]
STYLES = [(True, False), (True, True), (False, False), (False, True)]


@pytest.fixture(scope="module")
def proto():
    """With symbols of the user, pieces that end in digit and comma, and a tie."""
    symbols = train(SENTENCES, user_defined_symbols="(,),-,.")
    return with_pieces(symbols, "▁3,", "▁21,", "a▁b", "ss")


def spans(tokenizer, texts):
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    rows = zip(ids.to_list(), starts.to_list(), ends.to_list(), strict=True)
    return [list(zip(*row, strict=True)) for row in rows]


@pytest.mark.parametrize("style", STYLES)
def test_ids_and_places_are_those_of_the_ops(proto, style):
    texts = random_texts(300, seed=sum(style))
    device = DeviceTokenizer(proto, *style)
    expected = spans(AlbertTokenizer(proto, *style), texts)
    assert [[tuple(t) for t in device.tokenize(text)] for text in texts] == expected


def test_raw_pieces_are_those_of_sentencepiece(proto):
    texts = random_texts(500, seed=5)
    model = UnigramModel(proto)
    assert [model.encode(text) for text in texts] == processor_of(proto).encode(texts)


def test_the_published_vocabulary_gives_the_recorded_ids(shared):
    proto = (shared / "data/spm/30k-clean.model").read_bytes()
    tokenizers = {lower: DeviceTokenizer(proto, lower) for lower in (True, False)}
    for entry in json.loads((shared / "goldens/tokenizer.json").read_text()):
        tokenizer = tokenizers[entry["lower"]]
        ids = tokenizer.encode(entry["text"])
        assert ids == entry["ids"]


@pytest.mark.parametrize("style", [STYLES[0], STYLES[3]])
def test_rules_that_cleaned_text_never_needs_can_go(proto, style):
    texts = random_texts(100, seed=11)
    trimmed = trimmed_proto(proto, *style)
    assert len(trimmed) < len(proto)
    kept, all_rules = (DeviceTokenizer(p, *style) for p in (trimmed, proto))
    assert [kept.tokenize(t) for t in texts] == [all_rules.tokenize(t) for t in texts]


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_what_the_clean_up_gives_it_leaves_alone(style):
    """So that a rule is needed if, and only if, the clean-up keeps each letter of its key."""
    letters = map(chr, range(sys.maxunicode + 1))
    texts = [x for x in letters if unicodedata.category(x) not in ("Cn", "Co", "Cs")]
    once, _, _ = clean(f"a{'a'.join(texts)}a", *style)
    left = f"a{'a'.join(sorted(set(once)))}a"
    assert clean(left, *style)[0] == left


@pytest.mark.slow
def test_the_published_vocabulary_without_unused_rules_gives_the_recorded_ids(shared):
    proto = (shared / "data/spm/30k-clean.model").read_bytes()
    trimmed = {lower: trimmed_proto(proto, lower) for lower in (True, False)}
    assert len(trimmed[True]) < 525_000
    tokenizers = {lower: DeviceTokenizer(trimmed[lower], lower) for lower in trimmed}
    for entry in json.loads((shared / "goldens/tokenizer.json").read_text()):
        assert tokenizers[entry["lower"]].encode(entry["text"]) == entry["ids"]


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_real_paragraphs_and_noise_agree_with_the_published_vocabulary(shared, style):
    proto = (shared / "data/spm/30k-clean.model").read_bytes()
    texts = squad_paragraphs(shared, 200) + random_texts(2000, seed=9)
    device = DeviceTokenizer(proto, *style)
    expected = spans(AlbertTokenizer(proto, *style), texts)
    assert [[tuple(t) for t in device.tokenize(text)] for text in texts] == expected


def test_bytes_that_are_no_text_become_signs_of_replacement(proto):
    device = DeviceTokenizer(proto)
    assert device.encode(b"a\xff\xfeb") == device.encode("a\ufffd\ufffdb")
    assert device.encode("a\ud800b") == device.encode("a\ufffdb")
    assert device.encode("") == device.encode(" \t\u3000") == []


def test_a_dropped_mark_belongs_to_its_letter():
    assert clean(" É\u0301  a") == ("e a", [1, 3, 5], [3, 4, 6])


@pytest.mark.parametrize("content", [b"", b"no model", b"\x0a\x05\x0a\x03abc"[:5]])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(ValueError, match="The vocabulary must be"):
        UnigramModel(content)


def test_a_vocabulary_without_special_tokens_is_refused():
    with pytest.raises(ValueError, match=r"lacks the special tokens \[CLS\] \[SEP\]"):
        DeviceTokenizer(train(SENTENCES, control_symbols=""))


def test_it_needs_no_tensorflow_and_no_sentencepiece():
    script = (
        "import sys, albert_tf.text.device_tokenizer\n"
        "heavy = {'tensorflow', 'keras', 'sentencepiece', 'google'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
