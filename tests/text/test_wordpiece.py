"""WordPiece as graph ops, in plain Python, and as the original has it: one and the same."""

import runpy
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.masking_vocabulary import MaskingVocabulary
from albert_tf.text import basic_characters as basic
from albert_tf.text.filling import put_pieces
from albert_tf.text.plain_wordpiece import DeviceWordPieceTokenizer
from albert_tf.tokenizer import AlbertTokenizer
from tests.tokenizer_cases import spelled

original = SimpleNamespace(**runpy.run_path(Path(__file__).parents[1] / "original_wordpiece.py"))
# Text, its ids with the vocabulary of BERT-base Chinese, and why it is here.
GOLDEN = [
    ("我爱北京天安门。", [2769, 4263, 1266, 776, 1921, 2128, 7305, 511]),
    ("今天（周五），12.5℃！", [791, 1921, 8020, 1453, 758, 8021, 8024, 8110, 119, 9687, 8013]),
    ("用BERT和ALBERT做NLP", [4500, 8815, 8716, 1469, 9266, 10491, 976, 156, 10986]),
    ("2019年12月30日", [9160, 2399, 8110, 3299, 8114, 3189]),
    ("你好😀👩\u200d👧", [872, 1962, 100]),  # one unknown word
    ("Café İstanbul", [8377, 8310, 10105, 11381, 8178]),
    ("ＡＢ　１２３，全角", [8051, 12641, 10351, 9089, 8024, 1059, 6235]),  # stays wide
    ("a\u200bb\x07c\ufeffd\0e\ufffdf\u00adg", [8425, 8510, 8189, 8181]),  # one word, "abcdefg"
    ("一\t二\n三\r四\u3000五\xa0六\u2009七\u2028八", [671, 753, 676, 1724, 758, 1063, 673, 1061]),
    ("don't stop: $5 & 50%|~^`", [9524, 112, 162, 11467, 131, 109, 126, 111, 8145, 110]),
    ("[MASK] ##ing", [138, 9622, 8998, 140, 108, 108, 10139]),  # no special piece
    ("ΟΔΟΣ ½", [222, 13383, 13392, 13395, 100]),
    ("ひらがな 한", [563, 8732, 13081, 303, 10928, 9877]),  # が loses its mark, 한 falls apart
    ("豈\U0002f81a\U00020000㐀々〇", [6488, 1100, 100, 100, 513, 13649]),
    ("unaffable zzzzqqq", [163, 8374, 9049, 9609, 168, 9409, 8253, 10624, 8326]),
    ("ไทย Привет", [100, 247, 13415, 11000, 13403, 13406, 13417]),
    ("", []),
    ("  \u3000 ", []),
]


@pytest.fixture(scope="module")
def chinese(shared):
    return AlbertTokenizer(shared / "data/zh/vocab.txt")


@pytest.fixture(scope="module")
def small(tiny_vocab_txt):
    return AlbertTokenizer(tiny_vocab_txt)


def random_texts(num_texts, seed):
    rng = np.random.default_rng(seed)
    letters = [*"abcAhHT我爱门，。()!#' \t\u3000\u2028", *"éÉİΣςｃ½豈𠀀가😀々\u0e01"]
    letters += [*"\0\x07\u200b\ufeff\ufffd\ue000\u0378", *"\u0301\u0323\u3099\u0903"]
    sizes = rng.integers(0, 25, num_texts)
    return ["".join(rng.choice(np.array(letters), size)) for size in sizes]


def spans(tokenizer, texts):
    parts = (part.to_list() for part in tokenizer.tokenize_with_offsets(texts))
    return [list(zip(*row, strict=True)) for row in zip(*parts, strict=True)]


# ---- ids


def test_ids_of_chinese_and_all_that_stands_beside_it(chinese):
    texts, expected = zip(*GOLDEN, strict=True)
    got = chinese(texts).to_list()
    assert [ids[: len(e)] for ids, e in zip(got, expected, strict=True)] == [*expected]


@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_are_those_of_the_original(tiny_vocab_txt, lowercase):
    texts = [text for text, _ in GOLDEN] + random_texts(3000, seed=0)
    ids = original.read_ids(tiny_vocab_txt)
    expected = [original.encode(ids, text, lowercase) for text in texts]
    assert AlbertTokenizer(tiny_vocab_txt, lowercase)(texts).to_list() == expected


def test_ids_are_those_of_transformers_but_where_it_leaves_the_original(shared, chinese):
    # It drops what is for private use or unassigned; of capitals it composes the accents.
    theirs = pytest.importorskip("transformers.models.bert.tokenization_bert_legacy")
    ids = theirs.load_vocab(shared / "data/zh/vocab.txt")
    basic_tokenizer = theirs.BasicTokenizer()
    wordpiece = theirs.WordpieceTokenizer(ids, "[UNK]", max_input_chars_per_word=200)
    texts = [text for text, _ in GOLDEN] + random_texts(2000, seed=6)
    texts = [text for text in texts if not {"\ue000", "\u0378"} & set(text)]
    expected = [
        [
            ids[piece]
            for word in basic_tokenizer.tokenize(text)
            for piece in wordpiece.tokenize(word)
        ]
        for text in texts
    ]
    assert chinese(texts).to_list() == expected


def test_every_character_that_is_no_letter_is_read_as_in_the_original(tiny_vocab_txt):
    # Some 30,000; of letters the ideographs and those with accents are in other tests.
    points = (p for p in range(0x20000) if unicodedata.category(chr(p)) not in ("Lo", "Cn", "Cs"))
    texts = [f"a{chr(p)}b" for p in points if not 0xE000 < p < 0xF8FF]
    ids = original.read_ids(tiny_vocab_txt)
    for lowercase in (True, False):
        got = AlbertTokenizer(tiny_vocab_txt, lowercase)(texts)
        expected = [original.encode(ids, text, lowercase) for text in texts]
        np.testing.assert_array_equal(got.row_lengths(), [len(row) for row in expected])
        np.testing.assert_array_equal(got.values, np.concatenate(expected))


def test_nothing_but_letters_and_ideographs_lies_beyond_the_planes_that_are_looked_at():
    beyond = set(range(sys.maxunicode + 1)).difference(*basic.PLANES)
    kinds = (basic.is_dropped, basic.is_space, basic.is_mark, basic.is_punctuation)
    strays = [p for p in beyond if unicodedata.category(chr(p)) not in ("Lo", "Cn", "Co", "So")]
    assert [p for p in strays if any(is_so(chr(p)) for is_so in kinds)] == []


@pytest.mark.parametrize(("num_chars", "is_known"), [(200, True), (201, False)])
@pytest.mark.parametrize("letter", ["a", "𞤀"])
def test_a_word_has_200_characters_at_most(num_chars, is_known, letter):
    # The original's limit; transformers has 100.
    vocabulary = f"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{letter}\n##{letter}\nb"
    word = letter * num_chars
    tokenizer = AlbertTokenizer(vocabulary.encode(), lowercase=False)
    ids, starts, ends = tokenizer.tokenize_with_offsets(f"b {word} b")
    assert ids.numpy().tolist() == [7, *([5] + [6] * (num_chars - 1) if is_known else [1]), 7]
    assert (starts[1], ends[-2], ends[-1]) == (2, 2 + num_chars, 4 + num_chars)


@pytest.fixture(scope="module", params=[True, False], ids=["small letters", "capitals"])
def read(request, tiny_vocab_txt, small):
    """A tokenizer of each style, the one of devices, texts, and the tokens that ops find there."""
    tokenizer = small if request.param else AlbertTokenizer(tiny_vocab_txt, lowercase=False)
    device = DeviceWordPieceTokenizer(tiny_vocab_txt, request.param)
    texts = [text for text, _ in GOLDEN] + random_texts(1000, seed=1)
    return tokenizer, device, texts, spans(tokenizer, texts)


def test_a_device_gives_the_same_ids_and_places(read):
    tokenizer, device, texts, tokens = read
    assert tokens == [[tuple(token) for token in device.tokenize(text)] for text in texts]
    assert tokenizer(texts).to_list() == [device.encode(text) for text in texts]
    cleaned = [text.decode() for text in tokenizer.clean(tf.constant(texts)).numpy()]
    assert cleaned == [device.clean(text) for text in texts]


def test_accents_may_stay(tiny_vocab_txt):
    # As transformers does it with strip_accents false: small letters, and no decomposition.
    tokenizer, texts = AlbertTokenizer(tiny_vocab_txt, keep_accents=True), random_texts(500, seed=5)
    device = DeviceWordPieceTokenizer(tiny_vocab_txt, keep_accents=True)
    assert tokenizer(["CAfé"]).to_list() == [[tokenizer.unk_token_id]]
    assert tokenizer(texts).to_list() == [device.encode(text) for text in texts]


def test_clean_text_gives_the_same_ids(small):
    texts = random_texts(1000, seed=2)
    assert small(small.clean(tf.constant(texts))).to_list() == small(texts).to_list()


def test_broken_text_is_passed_over(small):
    broken = [b"a\xff\xe2\x82b", "a\ud83db"]
    assert small(broken).to_list() == small(["ab", "ab"]).to_list()
    assert spans(small, broken)[0][-1][2] == 4  # two characters of U+FFFD stand between


def test_the_beginning_of_a_very_long_text_has_its_first_ids(small):
    texts = ["我爱北京，cats unhello " * 500, " " * 100_000 + "我", "我", ""]
    whole = small(texts).to_list()
    begun = small.tokenize_beginning(texts, 9).to_list()
    assert [ids[:9] for ids in begun] == [ids[:9] for ids in whole]
    assert len(begun[0]) < 20


# ---- places


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我 爱，Cats!", [("我", "我"), ("爱", "爱"), ("，", "，"), *cats, ("!", "!")])
        for cats in [[("cat", "Cat"), ("##s", "s")]]
    ]
    + [
        ("Ｃa", [("[UNK]", "Ｃa")]),
        ("he\u0301llo\u200b 北\u0301", [("he", "he\u0301"), ("##llo", "llo"), ("北", "北\u0301")]),
        ("\u0301a\u200b\u0301b", [("a", "a\u200b\u0301"), ("##b", "b")]),
        ("\x07 cat\0s 𠀀爱", [("cat", "cat"), ("##s", "s"), ("𠀀", "𠀀"), ("爱", "爱")]),
        ("İn", [("i", "İ"), ("##n", "n")]),
        ("안", [("[UNK]", "안")]),
    ],
)
def test_a_span_covers_the_characters_that_its_piece_came_from(small, text, expected):
    assert spelled(small, text) == expected


def test_spans_in_random_text_are_in_order_and_spell_their_pieces(read):
    tokenizer, _, texts, tokens = read
    pieces, covered = [], []
    for text, row in zip(texts, tokens, strict=True):
        ends = [0, *(end for _, _, end in row)]
        assert all(last <= start < end for last, (_, start, end) in zip(ends, row, strict=False))
        known = [token for token in row if token[0] != tokenizer.unk_token_id]
        pieces += [tokenizer.id_to_token(index).removeprefix("##") for index, _, _ in known]
        covered += [text[start:end] for _, start, end in known]
    cleaned = [text.decode() for text in tokenizer.clean(tf.constant(covered)).numpy()]
    assert pieces == cleaned and len(pieces) > 1000


# ---- pieces


def test_special_tokens_are_those_of_bert(small):
    names = ("pad", "unk", "start", "end", "mask")
    tokens = [getattr(small, f"{name}_token") for name in names]
    assert tokens == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [getattr(small, f"{name}_token_id") for name in names] == [0, 2, 3, 4, 5]
    assert set(small.special_token_ids) == {0, 2, 3, 4, 5}


def test_pieces_and_ids_translate_both_ways(chinese):
    assert chinese.vocabulary_size() == len(chinese.get_vocabulary()) == 21128
    assert [chinese.token_to_id(t) for t in ("[MASK]", "我", "##我")] == [103, 2769, 15826]
    assert chinese.id_to_token(2769) == "我" and chinese.token_to_id("no such piece") == 100
    # The lines of U+2028 are read as the original reads them, and move no id.
    assert (chinese.id_to_token(343), chinese.id_to_token(13502)) == (" ", "##")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱，北京。", "我爱，北京。"),
        ("Hello (cats), un-able!", "hello (cats), un - able!"),
        ("我[CLS] 你😀 the cat", "我[cls]你[UNK] the cat"),
        ("", ""),
    ],
)
def test_detokenized_text_has_spaces_where_words_need_them(small, text, expected):
    ids = small(text).numpy().tolist()
    padded = [small.start_token_id, *ids, small.end_token_id, small.pad_token_id]
    assert small.detokenize(padded).numpy().decode() == expected


def test_detokenized_text_gives_the_same_ids(small):
    texts = [text.replace("##", "") for text in random_texts(500, seed=4)]
    ids = [row for row in small(texts).to_list() if small.unk_token_id not in row]
    again = small(small.detokenize(tf.ragged.constant(ids, dtype=tf.int32))).to_list()
    assert again == ids


@pytest.mark.parametrize(
    ("text", "pieces", "filled"),
    [
        ("今天[MASK]气", ["天"], "今天天气"),
        ("我 [MASK], un [MASK] [MASK]。", ["爱", "##able", "cat"], "我 爱, unable cat。"),
        ("the[MASK][MASK]", ["cat", "!"], "the cat!"),
    ],
)
def test_pieces_fill_masks_as_a_reader_would_write(small, text, pieces, filled):
    assert put_pieces(text, pieces, small.vocabulary.form) == filled


def test_words_for_masking_start_where_the_original_says(tiny_vocab_txt, small):
    masking = MaskingVocabulary.read(tiny_vocab_txt)
    pieces = zip(small.get_vocabulary(), masking.word_starts.tolist(), strict=True)
    assert {piece for piece, starts in pieces if not starts} == {
        piece for piece in small.get_vocabulary() if piece.startswith("##")
    }
    assert set(range(88)) - set(masking.ordinary_ids.tolist()) == set(small.special_token_ids)


# ---- the file


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n", r"lacks \[MASK\]\. A vocab.txt of BERT"),
        (b"[CLS]\na\nb\na\n", r"'a' in lines 2 and 4"),
        (b"[CLS]\n\xff\n", "must be UTF-8"),
        (b"the\ncat\n", "no WordPiece vocab.txt with a line"),
    ],
)
def test_an_unusable_vocabulary_is_refused(vocabulary, message):
    with pytest.raises(ValueError, match=message):
        AlbertTokenizer(vocabulary)


def test_lines_may_end_as_on_windows(tiny_vocab_txt, small):
    assert AlbertTokenizer(tiny_vocab_txt.replace(b"\n", b"\r\n")).get_vocabulary() == (
        small.get_vocabulary()
    )


def test_a_preset_gives_back_the_same_tokenizer(tiny_vocab_txt, tmp_path):
    tokenizer = AlbertTokenizer(tiny_vocab_txt, lowercase=False)
    tokenizer.save_to_preset(tmp_path)
    assert (tmp_path / "assets/tokenizer/vocabulary.txt").read_bytes() == tiny_vocab_txt
    again = AlbertTokenizer.from_preset(tmp_path)
    assert again.get_config() == tokenizer.get_config()
    assert again("我 Cat").numpy().tolist() == tokenizer("我 Cat").numpy().tolist()


def test_a_preset_from_before_wordpiece_has_a_sentencepiece_model(tiny_tokenizer):
    config = tiny_tokenizer.get_config()
    assert config.pop("vocabulary_file") == "vocabulary.spm"
    assert AlbertTokenizer.from_config(config).file_assets == ["vocabulary.spm"]


def test_a_pipeline_gives_the_same_ids(small):
    texts = ["我爱北京，cats", "", "a" * 201]
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(3).map(small)
    assert next(iter(dataset)).to_list() == small(texts).to_list()


@pytest.mark.slow
def test_a_served_graph_gives_the_same_ids_spans_and_text(small, served_answers):
    texts = ["我爱北京，cats un\u0301able 😀" + "a" * 201, "", b"\xff\0 A"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(text):
        ids, starts, ends = small.tokenize_with_offsets(text)
        dense = [part.to_tensor(-1) for part in (ids, starts, ends, small(text))]
        return dict(zip("abcd", dense, strict=True)) | {"text": small.detokenize(ids)}

    served = served_answers(serve, texts)
    for name, expected in serve(tf.constant(texts)).items():
        np.testing.assert_array_equal(served[name], expected)
