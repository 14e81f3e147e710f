import json
import lzma
import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.tokenizer import AlbertTokenizer

original = SimpleNamespace(**runpy.run_path(Path(__file__).with_name("original_tokenization.py")))
cases = SimpleNamespace(**runpy.run_path(Path(__file__).with_name("tokenizer_cases.py")))
VARIANTS = [(True, False), (True, True), (False, False), (False, True)]


@pytest.fixture(scope="module")
def english_proto(shared):
    return (shared / "data/spm/30k-clean.model").read_bytes()


@pytest.fixture(scope="module")
def english(english_proto):
    return AlbertTokenizer(english_proto)


@pytest.fixture(scope="module")
def digits_proto(tiny_proto):
    """A vocabulary with pieces such as "3," inside words and at their start."""
    return cases.with_pieces(tiny_proto, "▁3,", "3,", "▁14,")


# ---- ids


@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_are_those_recorded_from_the_original(shared, english_proto, lowercase):
    recorded = json.loads((shared / "goldens/tokenizer.json").read_text(encoding="utf-8"))
    recorded = [entry for entry in recorded if entry["lower"] == lowercase]
    ids = AlbertTokenizer(english_proto, lowercase=lowercase)([e["text"] for e in recorded])
    assert ids.to_list() == [entry["ids"] for entry in recorded]


def test_ids_of_real_paragraphs_are_those_of_the_original(shared, english, english_proto):
    paragraphs = cases.squad_paragraphs(shared, 400)
    processor = cases.processor_of(english_proto)
    expected = [original.encode(processor, text) for text in paragraphs]
    assert english(paragraphs).to_list() == expected


@pytest.mark.slow
@pytest.mark.parametrize("archive", ["glue.tar.xz", "trec.tar.xz"])
def test_ids_of_every_line_of_the_data_sets_are_those_of_the_original(
    shared, english, english_proto, archive
):
    processor = cases.processor_of(english_proto)
    with lzma.open(shared / "data" / archive) as unpacked:
        lines = unpacked.read().decode("utf-8", "replace").split("\n")
    for first in range(0, len(lines), 4096):
        batch = lines[first : first + 4096]
        expected = [original.encode(processor, line) for line in batch]
        assert english(batch).to_list() == expected


@pytest.mark.parametrize(("lowercase", "keep_accents"), VARIANTS)
def test_ids_of_random_text_are_those_of_the_original(tiny_proto, lowercase, keep_accents):
    tokenizer = AlbertTokenizer(tiny_proto, lowercase, keep_accents)
    texts = cases.random_texts(2000, seed=0)
    processor = cases.processor_of(tiny_proto)
    expected = [original.encode(processor, t, lowercase, keep_accents) for t in texts]
    assert tokenizer(texts).to_list() == expected


def test_a_digit_and_its_comma_part(digits_proto):
    assert cases.spelled(AlbertTokenizer(digits_proto), "3, a3, 14,") == [
        *[("▁", ""), ("3", "3"), (",", ",")],
        *[("▁a", "a"), ("3", "3"), (",", ",")],
        *[("▁1", "1"), ("4", "4"), (",", ",")],
    ]


def test_the_digit_comma_table_of_the_published_vocabulary(english_proto):
    model = SentencePieceModel(english_proto)
    table = model.digit_comma_splits()
    assert len(table) == 141
    assert table[model.ids["▁2010,"]] == [model.ids["▁2010"], model.ids[","]]


def test_ids_with_a_digit_comma_vocabulary_are_those_of_the_original(digits_proto):
    texts = ["3, x3, y14,000, z", "2015, 1,1,1,", *cases.random_texts(500, seed=3)]
    processor = cases.processor_of(digits_proto)
    expected = [original.encode(processor, text) for text in texts]
    assert AlbertTokenizer(digits_proto)(texts).to_list() == expected


def test_text_cannot_spell_a_special_token(tiny_tokenizer):
    ids = tiny_tokenizer("[CLS] [SEP] [MASK] <pad>").numpy()
    special = {tiny_tokenizer.start_token_id, tiny_tokenizer.end_token_id}
    assert not {*ids.tolist()} & {*special, tiny_tokenizer.mask_token_id, 0}


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (b"a\xff\xe2\x82b", "a\ufffd\ufffdb"),
        ("x\ud83dy", "x\ufffdy"),
        (b"\xed\xa0\x80", "\ufffd" * 3),
    ],
)
def test_broken_text_counts_as_replacement_characters(tiny_tokenizer, broken, text):
    ids, starts, ends = tiny_tokenizer.tokenize_with_offsets([broken, text])
    for ragged in (ids, starts, ends, tiny_tokenizer([broken, text])):
        assert ragged[0].numpy().tolist() == ragged[1].numpy().tolist()


# ---- shapes


@pytest.mark.parametrize(
    ("inputs", "shape"),
    [
        ("a cat", (None,)),
        (b"a cat", (None,)),
        ([], (0, None)),
        (["a cat", ""], (2, None)),
        (("a cat", "dog"), (2, None)),
        (np.array(["a cat", "dog"]), (2, None)),
        (np.array([b"a cat", b"dog"], object), (2, None)),
        ([["a cat"], ["dog", ""]], (2, None, None)),
        (np.array([["a cat"], ["dog"]]), (2, 1, None)),
        (tf.ragged.constant([[["a cat"], []]]), (1, None, None, None)),
    ],
)
def test_any_nesting_of_text_gets_one_dimension_of_ids(tiny_tokenizer, inputs, shape):
    ids = tiny_tokenizer(inputs)
    assert ids.dtype == tf.int32
    assert ids.shape.rank == len(shape)
    assert ids.shape[0] == shape[0] or shape[0] is None
    assert [r.shape.rank for r in tiny_tokenizer.tokenize_with_offsets(inputs)] == [len(shape)] * 3


def test_nested_text_gets_the_ids_of_its_strings(tiny_tokenizer):
    nested = tiny_tokenizer([["a cat"], ["the dog", "3,"], []]).to_list()
    cat, dog, three = tiny_tokenizer(["a cat", "the dog", "3,"]).to_list()
    assert nested == [[cat], [dog, three], []]


@pytest.mark.parametrize("inputs", [1, [1, 2], None, ["a", None], [["a"], "b"], np.array([0.5])])
def test_what_is_not_text_is_refused(tiny_tokenizer, inputs):
    with pytest.raises(ValueError, match="string"):
        tiny_tokenizer(inputs)


def test_a_pipeline_gives_the_same_ids(tiny_tokenizer):
    texts = ["A cat, 3, ½", "", "naïve \0 日"]
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    expected = tiny_tokenizer(texts).to_list()
    assert [ids.numpy().tolist() for ids in dataset.map(tiny_tokenizer)] == expected
    (batch,) = dataset.batch(3).map(tiny_tokenizer.tokenize_with_offsets)
    assert [r.to_list() for r in batch] == [
        r.to_list() for r in tiny_tokenizer.tokenize_with_offsets(texts)
    ]


def test_a_served_graph_gives_the_same_ids_spans_and_text(tiny_tokenizer, served_answers):
    texts = ["A cät, 3,  ½", "", "naïve \0 日本", b"\xff"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(text):
        ids, starts, ends = tiny_tokenizer.tokenize_with_offsets(text)
        outputs = {"ids": ids, "starts": starts, "ends": ends, "again": tiny_tokenizer(text)}
        dense = {name: ragged.to_tensor(-1) for name, ragged in outputs.items()}
        return {**dense, "text": tiny_tokenizer.detokenize(ids)}

    served = served_answers(serve, texts)
    for name, expected in serve(tf.constant(texts)).items():
        np.testing.assert_array_equal(served[name], expected)


# ---- text from ids


@pytest.mark.parametrize("special", [[], ["start_token_id"], ["pad_token_id", "end_token_id"]])
def test_detokenize_gives_cleaned_text_without_special_tokens(tiny_tokenizer, special):
    added = [getattr(tiny_tokenizer, name) for name in special]
    ids = [*added, *tiny_tokenizer("The  Cät sat.").numpy().tolist(), *added]
    assert tiny_tokenizer.detokenize(ids).numpy().decode() == "the cat sat."


def test_detokenize_marks_lost_text_as_sentencepiece_does(tiny_tokenizer, tiny_proto):
    ids = tiny_tokenizer(["the 日 cat", ""])
    expected = cases.processor_of(tiny_proto).decode(ids.to_list())
    assert [text.decode() for text in tiny_tokenizer.detokenize(ids).numpy()] == expected


@pytest.mark.parametrize(
    ("ids", "shape"),
    [
        ([], ()),
        ([[7], []], (2,)),
        (np.zeros((2, 1, 3), int), (2, 1)),
        (np.zeros((3, 4), int), (3,)),
    ],
)
def test_detokenize_drops_the_dimension_of_tokens(tiny_tokenizer, ids, shape):
    assert tiny_tokenizer.detokenize(ids).shape == shape


def test_detokenize_takes_what_nested_text_gave(tiny_tokenizer):
    texts = [["the cat"], ["a dog", "sat"], []]
    again = tiny_tokenizer.detokenize(tiny_tokenizer(texts)).to_list()
    assert [[text.decode() for text in row] for row in again] == texts


@pytest.mark.parametrize("ids", [[88], [[1, 2], [-1]], 3, [0.5], ["a"]])
def test_what_is_no_id_is_refused(tiny_tokenizer, ids):
    with pytest.raises(ValueError, match="[Ii]ds must|int32"):
        tiny_tokenizer.detokenize(ids)


# ---- vocabulary


def test_special_tokens_are_looked_up():
    proto = cases.train(["a cat sat"], unk_id=0, pad_id=5, control_symbols="[MASK],[SEP],[CLS]")
    tokenizer = AlbertTokenizer(proto)
    names = ("unk", "mask", "end", "start", "pad")
    ids = [getattr(tokenizer, f"{name}_token_id") for name in names]
    assert ids == [0, 1, 2, 3, 5]
    tokens = [tokenizer.id_to_token(index) for index in ids]
    assert tokens == ["<unk>", "[MASK]", "[SEP]", "[CLS]", "<pad>"]


def test_pieces_and_ids_translate_both_ways(tiny_tokenizer):
    vocabulary = tiny_tokenizer.get_vocabulary()
    assert tiny_tokenizer.vocabulary_size() == len(vocabulary) == 88
    assert [tiny_tokenizer.token_to_id(piece) for piece in vocabulary] == list(range(88))
    assert tiny_tokenizer.token_to_id("no such piece") == tiny_tokenizer.unk_token_id


@pytest.mark.parametrize("index", [-1, 88])
def test_an_id_outside_the_vocabulary_has_no_piece(tiny_tokenizer, index):
    with pytest.raises(ValueError, match="0 to 87"):
        tiny_tokenizer.id_to_token(index)


def test_a_vocabulary_without_a_special_token_is_refused_by_name():
    with pytest.raises(ValueError, match=r"lacks \[CLS\] \[MASK\]\."):
        AlbertTokenizer(cases.train(["a cat sat"], control_symbols="[SEP]"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model_type": "bpe"}, "model_type unigram"),
        ({"byte_fallback": True, "vocab_size": 300}, "byte_fallback false"),
        ({"treat_whitespace_as_suffix": True}, "treat_whitespace_as_suffix false"),
        ({"add_dummy_prefix": False}, "add_dummy_prefix true"),
    ],
)
def test_a_vocabulary_that_the_op_reads_otherwise_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        AlbertTokenizer(cases.train(["a cat sat on a mat"], **setting))


@pytest.mark.parametrize("cut", [b"", b"no model", 1000])
def test_a_corrupt_vocabulary_is_refused(tiny_proto, tmp_path, cut):
    path = tmp_path / "cut.model"
    path.write_bytes(tiny_proto[:cut] if isinstance(cut, int) else cut)
    with pytest.raises(ValueError, match="SentencePiece .model file: .*cut.model"):
        AlbertTokenizer(path)


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.model"):
        AlbertTokenizer(tmp_path / "nowhere.model")


def test_an_edited_vocabulary_has_ids_but_no_spans(tiny_proto):
    tokenizer = AlbertTokenizer(cases.with_pieces(tiny_proto, "aß"))
    assert tokenizer.vocabulary_size() - 1 in tokenizer("aß").numpy()
    with pytest.raises(ValueError, match="no piece for 'ß'"):
        tokenizer.tokenize_with_offsets("aß")


def test_without_a_vocabulary_there_is_nothing_to_do():
    with pytest.raises(ValueError, match="no vocabulary yet"):
        AlbertTokenizer()("text")


# ---- saving


def test_a_preset_gives_the_same_tokenizer(tiny_proto, tmp_path):
    AlbertTokenizer(tiny_proto, lowercase=False, keep_accents=True).save_to_preset(tmp_path)
    again = AlbertTokenizer.from_preset(tmp_path)
    assert (again.lowercase, again.keep_accents, again.proto) == (False, True, tiny_proto)
    assert (tmp_path / "assets/tokenizer/vocabulary.spm").read_bytes() == tiny_proto


def test_a_setting_can_be_changed_when_a_preset_is_read(tiny_tokenizer, tmp_path):
    tiny_tokenizer.save_to_preset(tmp_path)
    assert AlbertTokenizer.from_preset(tmp_path, lowercase=False).lowercase is False


def test_assets_and_config_give_the_same_tokenizer(tiny_tokenizer, tmp_path):
    tiny_tokenizer.save_assets(tmp_path)
    config = keras.saving.serialize_keras_object(tiny_tokenizer)
    again = keras.saving.deserialize_keras_object(config)
    again.load_assets(tmp_path)
    assert again.proto == tiny_tokenizer.proto
    assert again.get_config() == tiny_tokenizer.get_config()


def test_the_name_of_a_model_of_the_package_gives_its_tokenizer():
    assert AlbertTokenizer.from_preset("books_small").vocabulary_size() == 16_000


def test_an_id_is_a_whole_number(tiny_tokenizer):
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        tiny_tokenizer.id_to_token(2.5)


def test_a_directory_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="tokenizer.json"):
        AlbertTokenizer.from_preset(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read"), ('{"registered_name": "Dense", "config": {}}', "describes Dense")],
)
def test_a_preset_of_something_else_is_refused(tmp_path, content, message):
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        AlbertTokenizer.from_preset(tmp_path)


def test_a_preset_that_lost_its_vocabulary_is_refused(tiny_tokenizer, tmp_path):
    tiny_tokenizer.save_to_preset(tmp_path)
    (tmp_path / "assets/tokenizer/vocabulary.spm").unlink()
    with pytest.raises(FileNotFoundError, match="vocabulary.spm"):
        AlbertTokenizer.from_preset(tmp_path)
