import numpy as np
import pytest

from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training import vocabulary
from albert_tf.training.vocabulary import sentences_of, train_vocabulary

RNG = np.random.default_rng(0)
WORDS = [
    "".join(RNG.choice(["ba", "de", "ki", "lo", "mu", "ra", "st", "en", "or"], 4))
    for _ in range(60)
]
LINES = [f"Café “{' '.join(RNG.choice(WORDS, 6))}” (£{n}.0) – ELEPHANT." for n in range(300)]
SPECIAL = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", *'()"-.–£€']


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train_vocabulary(LINES, tmp_path_factory.mktemp("vocabulary") / "v.model", 100)


def test_special_pieces_have_the_ids_of_the_published_vocabulary(model, shared):
    published = AlbertTokenizer(proto=shared / "data" / "spm" / "30k-clean.model")
    trained = AlbertTokenizer(proto=model)
    assert trained.get_vocabulary()[:13] == published.get_vocabulary()[:13] == SPECIAL
    assert trained.vocabulary_size() == 100


def test_settings_are_those_of_the_published_vocabulary(model, shared):
    published = trainer_settings((shared / "data" / "spm" / "30k-clean.model").read_bytes())
    trained = trainer_settings(model.read_bytes())
    # Input paths (1), model prefix (2), vocabulary size (4) and input format (7) are their own;
    # settings that were left at SentencePiece's defaults are not written today.
    written = set(trained) & set(published) - {1, 2, 4, 7}
    assert {10, 11, 30, 31, 41, 42} <= written
    assert {f: trained[f] for f in written} == {f: published[f] for f in written}


def test_text_is_cleaned_as_the_tokenizer_cleans_it(model):
    tokenizer = AlbertTokenizer(proto=model)
    ids = tokenizer("CAFÉ  elephant")
    assert tokenizer.unk_token_id not in ids.numpy()
    assert not any(
        letter.isupper() for piece in tokenizer.get_vocabulary()[13:] for letter in piece
    )


def test_the_same_text_gives_the_same_file(model, tmp_path):
    again = train_vocabulary(iter(LINES), tmp_path / "again.model", 100)
    assert again.read_bytes() == model.read_bytes()


def test_a_line_longer_than_sentencepiece_takes_is_cut_not_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_LINE_BYTES", 500)
    out = train_vocabulary([" ".join(LINES), "x" * 600, "y " + "z" * 600], tmp_path / "v", 60)
    pieces = AlbertTokenizer(proto=out).get_vocabulary()
    assert max(map(len, pieces[5:])) > 3


def test_text_without_spaces_is_cut_between_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_LINE_BYTES", 100)
    line = "我爱北京天安门" * 20 + "\U0001f600" * 50
    out = train_vocabulary([line], tmp_path / "v", 25)
    assert {*"我爱北京天安门\U0001f600"} <= {*"".join(AlbertTokenizer(proto=out).get_vocabulary())}


def test_too_large_a_vocabulary_names_the_largest_possible(tmp_path):
    with pytest.raises(ValueError, match=r"got vocab_size=5000, .* at most (\d+)") as error:
        train_vocabulary(LINES, tmp_path / "v.model", 5000)
    largest = int(str(error.value).split("at most ")[1].split(".")[0])
    train_vocabulary(LINES, tmp_path / "v.model", largest)


def test_too_small_a_vocabulary_names_the_smallest_possible(tmp_path):
    with pytest.raises(ValueError, match=r"got vocab_size=20, .* at least \d+"):
        train_vocabulary(LINES, tmp_path / "v.model", 20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("texts", [[], [""], ["   ", "\n"]])
def test_no_text_is_refused(texts, tmp_path):
    with pytest.raises(ValueError, match="needs text: got none"):
        train_vocabulary(texts, tmp_path / "v.model", 100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1: got 0"),
        ({"character_coverage": 0.5}, r"character_coverage must be in \[0.98, 1\], .*: got 0.5"),
        ({"character_coverage": float("nan")}, "character_coverage must be in .*: got nan"),
    ],
)
def test_numbers_out_of_their_range_are_refused(tmp_path, setting, message):
    with pytest.raises(ValueError, match=message):
        train_vocabulary(LINES, tmp_path / "v.model", **setting)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_asked(model):
    before = model.read_bytes()
    with pytest.raises(FileExistsError, match=r"v\.model"):
        train_vocabulary(LINES[:50], model, 90)
    assert model.read_bytes() == before


def test_sentences_of_files_are_streamed_and_bad_utf8_is_named(tmp_path):
    (tmp_path / "a.md").write_text("# A\n\nOne. _Two._\n", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"three\n\nfa\xefade\n")
    sentences = sentences_of([tmp_path / "*"])
    assert [next(sentences) for _ in range(2)] == ["One.", "Two."]
    with pytest.raises(ValueError, match=r"b\.txt, line 3"):
        next(sentences)


def trainer_settings(proto):
    """The fields of `trainer_spec` (number -> values) of a serialized SentencePiece model."""
    spec = dict(fields_of(proto))[2]
    settings = {}
    for number, value in fields_of(spec):
        settings.setdefault(number, []).append(value)
    return settings


def fields_of(message):
    """Walks the protobuf wire format, as the sentencepiece wheel's own class needs protobuf 7."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        yield key >> 3, message[at : at + size]
        at += size
