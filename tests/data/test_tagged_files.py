import json
import tarfile

import pytest

from albert_tf.data.tagged_files import read_tagged_texts
from albert_tf.data.tagged_texts import TaggedTexts


@pytest.fixture
def read(tmp_path):
    def read(text, name="d.conll", **more):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_tagged_texts(tmp_path / name, **more)

    return read


def found(examples):
    """For each text its entities as text and type."""
    rows = []
    for i in range(len(examples)):
        words = examples.words(i)
        rows.append([(" ".join(words[a:b]), type) for a, b, type in examples.entities(i)])
    return rows


def test_columns_give_texts_words_and_tags(read):
    lines = ["-DOCSTART- -X- O", "", "# id = 1", "New NNP B-loc", "York NNP I-loc", ". . O", "\t"]
    examples = read("\n".join([*lines, "Café\tNN\tO", "Ö\tNN\tI-per", "\ufeff"]))
    assert examples.texts == ["New York .", "Café Ö"]
    assert examples.words(1) == ["Café", "Ö"]
    assert examples.class_names == ("O", "B-loc", "I-loc", "B-per", "I-per")
    # The unmatched I-per opens an entity.
    assert examples.tags(1) == ["O", "B-per"]
    assert found(examples) == [[("New York", "loc")], [("Ö", "per")]]


def test_other_columns_are_chosen_by_number(read):
    examples = read("1\tcat\tNN\tx\n2\tsat\tVB\ty\n", word_column=1, tag_column=2)
    assert examples.words(0) == ["cat", "sat"]
    assert examples.class_names == ("NN", "VB")


def test_json_of_tokens_and_tags_is_read(read):
    rows = [{"tokens": ["A", "cat"], "ner_tags": ["O", "B-x"]}, {"tokens": [], "ner_tags": []}]
    examples = read("\n".join(map(json.dumps, rows)), "d.jsonl")
    assert examples.texts == ["A cat", ""]
    assert found(examples) == [[("cat", "x")], []]


def test_json_of_spans_keeps_the_text_and_cuts_words_at_entities(read):
    text = "In  Café-Müller, (Wuppertal)!"
    entities = [{"start": 9, "end": 15, "label": "per"}, {"start": 18, "end": 27, "type": "loc"}]
    examples = read(json.dumps([{"text": text, "entities": entities}]), "d.json")
    assert examples.texts == [text]
    assert examples.words(0) == ["In", "Café-", "Müller", ",", "(", "Wuppertal", ")", "!"]
    assert found(examples) == [[("Müller", "per"), ("Wuppertal", "loc")]]


def test_examples_are_taken_by_index_and_read_without_tags(read):
    examples = read("a\tO\n\nb\tB-x\n\nc\tO\n")
    assert examples.take([2, 1]).texts == ["c", "b"]
    assert examples.take(slice(1, 2)).tags(0) == ["B-x"]
    bare = read("a\n\nb\n", with_tags=False)
    assert bare.texts == ["a", "b"] and bare.labels is None
    assert bare.take([1]).labels is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.conll", "a\tO\nb\n", "d.conll, line 2: a line needs 2 columns: got 'b'"),
        ("d.conll", "a\tB-x\nb\tB_x\n", "line 1: the tag 'B_x' is none of an entity, as 'B-x' is"),
        ("d.conll", "\n\n", "holds no words"),
        ("d.json", '[{"tokens": ["a"], "tags": ["O", "O"]}]', "item 1: .*got 2 tags for 1 words"),
        ("d.json", '[{"tokens": ["a"], "tags": [0]}]', "item 1: tags must be texts"),
        ("d.json", '{"tokens": ["a"]\n"tags": []}', "line 2, column 1: this is not JSON"),
    ],
)
def test_files_that_cannot_be_meant_are_refused_with_their_line(read, name, text, message):
    with pytest.raises(ValueError, match=message):
        read(text, name)


@pytest.mark.parametrize(
    ("entity", "message"),
    [
        ({"start": 0, "end": 9}, "which has 8: got 0 to 9"),
        ({"start": 3, "end": 4}, "must cover characters"),
        ({"start": 0, "end": 3, "text": "cat"}, "'cat' is not at 0 to 3, where the text has 'the'"),
        ({"start": 2, "end": 5}, "overlap: got 'b' from 2 inside of 'a' up to 3"),
    ],
)
def test_an_entity_that_is_not_where_it_is_said_to_be_is_refused(read, entity, message):
    entities = [{"start": 0, "end": 3, "label": "a"}, entity | {"label": "b"}]
    row = {"text": "the cats", "entities": entities}
    with pytest.raises(ValueError, match=f"item 1: .*{message}"):
        read(json.dumps([row]), "d.json")


def test_a_tag_that_training_never_saw_is_refused_with_its_text(read):
    names = read("a\tB-x\n").class_names
    with pytest.raises(ValueError, match="line 3: the tag 'B-y' was never seen.*B-x"):
        read("a\tO\n\nb\tB-y\n", class_names=names)


def test_words_that_are_known_are_joined_by_spaces():
    examples = TaggedTexts.from_words([["é", "b"], []], [["B-x", "O"], []])
    assert examples.texts == ["é b", ""]
    assert [s.tolist() for s in examples.starts] == [[0, 2], []]
    assert examples.inputs()["word_ends"].to_list() == [[1, 3], []]


WNUT_17 = {
    # texts, words, entities: a B- each, and in dev one more that an unmatched I- opens
    "wnut17train.conll": (3394, 62730, 1975),
    "emerging.dev.conll": (1009, 15733, 836),
    "emerging.test.annotated": (1287, 23394, 1079),
}


def test_wnut_17_is_read_whole(shared, tmp_path):
    with tarfile.open(shared / "data/ner_wnut17.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    for name, counts in WNUT_17.items():
        examples = read_tagged_texts(tmp_path / "ner_wnut17" / name)
        num_words = sum(map(len, examples.starts))
        assert (len(examples), num_words, sum(map(len, found(examples)))) == counts
        assert len(examples.class_names) == 13


def test_other_encodings_than_utf_8_are_refused_with_their_line(tmp_path):
    (tmp_path / "d.conll").write_bytes("a\tO\nMüller\tB-per\n".encode("latin-1"))
    with pytest.raises(ValueError, match="d.conll, line 2: byte 0xfc at position 2 is not UTF-8"):
        read_tagged_texts(tmp_path / "d.conll")
