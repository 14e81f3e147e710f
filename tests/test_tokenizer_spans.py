import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from albert_tf.tokenizer import AlbertTokenizer

original = SimpleNamespace(**runpy.run_path(Path(__file__).with_name("original_tokenization.py")))
cases = SimpleNamespace(**runpy.run_path(Path(__file__).with_name("tokenizer_cases.py")))


def surface(processor, text, settings):
    """What SentencePiece makes of a part of the text, without its word starts."""
    return processor.normalize(original.clean(text, *settings)).replace("▁", "")


def misplaced(tokenizer, processor, texts, settings):
    """Lists the tokens whose span is out of order, out of bounds or covers other text."""
    wrong = []
    batch = tokenizer.tokenize_with_offsets(texts)
    for text, *row in zip(texts, *(ragged.to_list() for ragged in batch), strict=True):
        last_start = last_end = 0
        tokens = list(zip(*row, strict=True))
        for index, (token, start, end) in enumerate(tokens):
            neighbours = tokens[max(index - 1, 0) : index] + tokens[index + 1 : index + 2]
            is_shared = any(s < end and start < e for _, s, e in neighbours)
            piece = tokenizer.id_to_token(token).replace("▁", "")
            covered = surface(processor, text[start:end], settings)
            fits = piece == covered or (is_shared and piece in covered)
            if token == tokenizer.unk_token_id:
                fits = start < end
            fits = fits and text[start:end] == text[start:end].strip()
            in_order = last_start <= start <= end <= len(text) and last_end <= end
            if not (fits and in_order):
                wrong.append((text, index, start, end))
            last_start, last_end = start, end
    return wrong


@pytest.fixture(scope="module")
def letters():
    """A vocabulary whose pieces are single characters, so that the cuts are known."""
    return AlbertTokenizer(
        cases.train(["abcdefghijklmnopqrstuvwxyz 0123456789 ,.!()"], model_type="char")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \u3000", []),
        ("Café", [("▁", ""), ("c", "C"), ("a", "a"), ("f", "f"), ("e", "é")]),
        ("ae\u0301\u0323 \u0301", [("▁", ""), ("a", "a"), ("e", "e\u0301\u0323")]),
        ("x½", [("▁", ""), ("x", "x"), ("1", "½"), ("<unk>", "½"), ("2", "½")]),
        ("ﬁ \t o", [("▁", ""), ("f", "ﬁ"), ("i", "ﬁ"), ("▁", ""), ("o", "o")]),
        ("t…", [("▁", ""), ("t", "t"), (".", "…"), (".", "…"), (".", "…")]),
        ("日本 語!", [("▁", ""), ("<unk>", "日本"), ("▁", ""), ("<unk>", "語"), ("!", "!")]),
        ("a\u200bb", [("▁", ""), ("a", "a"), ("▁", ""), ("b", "b")]),
        ("a ¨b", [("▁", ""), ("a", "a"), ("▁", ""), ("b", "b")]),
        ("각\u1100\u1161x", [("▁", ""), ("<unk>", "각\u1100\u1161"), ("x", "x")]),
        ("a\0b", [("▁", ""), ("a", "a"), ("<unk>", "\0"), ("b", "b")]),
        ("𝒜👩b", [("▁", ""), ("a", "𝒜"), ("<unk>", "👩"), ("b", "b")]),
    ],
)
def test_a_span_covers_the_characters_that_its_piece_came_from(letters, text, expected):
    assert cases.spelled(letters, text) == expected


def test_a_lone_word_start_stands_where_the_word_starts(letters):
    _, starts, ends = letters.tokenize_with_offsets("  a  b")
    assert (starts.numpy().tolist(), ends.numpy().tolist()) == ([2, 2, 5, 5], [2, 3, 5, 6])


@pytest.mark.parametrize("settings", [(True, False), (False, False)])
def test_spans_in_random_text_cover_their_pieces(tiny_proto, settings):
    tokenizer = AlbertTokenizer(tiny_proto, *settings)
    texts = cases.random_texts(1000, seed=1)
    assert misplaced(tokenizer, cases.processor_of(tiny_proto), texts, settings) == []


@pytest.mark.parametrize("settings", [(True, False), (True, True)])
def test_spans_in_real_paragraphs_cover_their_pieces(shared, settings):
    proto = (shared / "data/spm/30k-clean.model").read_bytes()
    texts = cases.squad_paragraphs(shared, 30)
    tokenizer = AlbertTokenizer(proto, *settings)
    assert misplaced(tokenizer, cases.processor_of(proto), texts, settings) == []


def test_marks_that_change_places_keep_their_spans_in_order(tiny_proto):
    tokenizer = AlbertTokenizer(tiny_proto, keep_accents=True)
    _, starts, ends = tokenizer.tokenize_with_offsets("q\u0301\u0323 a\u0f72\u0f71")
    assert np.all(np.diff(starts) >= 0) and np.all(np.diff(ends) >= 0)
    assert np.max(ends) == 7


def test_ids_with_offsets_are_the_ids(tiny_tokenizer):
    texts = cases.random_texts(500, seed=2)
    ids, starts, ends = tiny_tokenizer.tokenize_with_offsets(texts)
    assert ids.to_list() == tiny_tokenizer(texts).to_list()
    assert starts.row_lengths().numpy().tolist() == ids.row_lengths().numpy().tolist()


def test_a_letter_that_the_vocabulary_spells_as_two_is_the_source_of_both(tmp_path):
    (tmp_path / "rules.tsv").write_text("DF\t73 73\n")
    rules = str(tmp_path / "rules.tsv")
    proto = cases.train(["a b s"], model_type="char", normalization_rule_tsv=rules)
    covered = cases.spelled(AlbertTokenizer(proto), "aßb")
    assert covered == [("▁", ""), ("a", "a"), ("s", "ß"), ("s", "ß"), ("b", "b")]


def test_user_symbols_of_several_characters_keep_their_span():
    proto = cases.train(["a cat ## a dog"], user_defined_symbols=["##", "(", ")"])
    assert ("##", "##") in cases.spelled(AlbertTokenizer(proto), "a##日 (dog)")
