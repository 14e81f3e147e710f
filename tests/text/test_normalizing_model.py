"""A tokenizer whose rules do the clean-up: the ids of clean-up and tokenizer together."""

import json

import pytest
import tensorflow_text as tf_text

from albert_tf.text.charsmap import Charsmap
from albert_tf.text.normalizing_model import normalizing_proto
from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.tokenizer import AlbertTokenizer
from tests.tokenizer_cases import processor_of, random_texts, squad_paragraphs

# At the end of a word it becomes another letter, which no rule for one letter can say.
SIGMA = "Σ"


def pieces_of(ids, splits):
    """Ids with the digit-comma rule, which is no part of the model."""
    return [[part for i in row for part in splits.get(i, [i])] for row in ids]


def assert_same_ids(proto, texts, lowercase):
    texts = [text.replace(SIGMA, "s") for text in texts]
    expected = AlbertTokenizer(proto, lowercase=lowercase)(texts).to_list()
    splits = SentencePieceModel(proto).digit_comma_splits()
    normalizing = normalizing_proto(proto, lowercase)
    op = tf_text.FastSentencepieceTokenizer(normalizing).tokenize(texts).to_list()
    assert pieces_of(op, splits) == expected
    assert pieces_of(processor_of(normalizing).encode(texts), splits) == expected


@pytest.mark.slow
@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_are_those_of_clean_up_and_tokenizer(tiny_proto, lowercase):
    assert_same_ids(tiny_proto, random_texts(400, seed=3), lowercase)


@pytest.mark.slow
@pytest.mark.parametrize("lowercase", [True, False])
def test_real_paragraphs_agree_with_the_published_vocabulary(shared, lowercase):
    proto = (shared / "data/spm/30k-clean.model").read_bytes()
    recorded = json.loads((shared / "goldens/tokenizer.json").read_text())
    texts = [entry["text"] for entry in recorded] + squad_paragraphs(shared, 300)
    assert_same_ids(proto, texts + random_texts(1000, seed=4), lowercase)


@pytest.mark.slow
def test_all_rules_of_a_model_are_found(tiny_proto):
    charsmap = Charsmap(SentencePieceModel(tiny_proto).charsmap)
    rules = dict(charsmap.rules(lambda letter: letter in "ﬁ①½"))
    assert rules == {"ﬁ": "fi", "①": "1", "½": "1⁄2"}
