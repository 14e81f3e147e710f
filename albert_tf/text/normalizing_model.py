"""SentencePiece models with other rules: one that cleans raw text, too, and a smaller one.

TFLite has a kernel for the tokenizer, and none for regular expressions, Unicode forms or small
letters. But a SentencePiece model may bring any rules of the kind "this text becomes that". So
the clean-up of every character, followed by the model's own rules, is written as one rule.

What no such rule can say is left out: a capital sigma at the end of a word becomes "σ", not "ς".
"""

import functools
import io
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece

from albert_tf.text.charsmap import Charsmap
from albert_tf.text.device_tokenizer import clean
from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.text.unigram import fields_of, message_field

NOT_TEXT = {"Cn", "Co", "Cs"}


def normalizing_proto(proto, lowercase=True):
    """Builds such a model.

    Args:
        proto: bytes of a SentencePiece `.model` file.
        lowercase: see `AlbertTokenizer`. Accents go: rules for one letter cannot say how marks
            that stay and the model's own rules for letters with marks meet.

    Returns:
        bytes of a `.model` file: of raw text, but for what is said above, it gives the ids that
        the given one gives of cleaned text.

    Raises:
        ValueError: `proto` is no usable vocabulary.
    """
    model = SentencePieceModel(proto)
    symbols = [p for p in model.pieces if model.is_symbol(p)]
    own = Charsmap(model.charsmap, symbols)
    rules = dict(_long_rules(own, lowercase))
    for point in range(sys.maxunicode + 1):
        letter = chr(point)
        if unicodedata.category(letter) in NOT_TEXT:
            continue
        cleaned = _clean(letter, lowercase)
        becomes = "".join(part for part, _, _ in own.chunks(cleaned))
        if becomes != letter:
            rules[letter] = becomes
    return model.with_charsmap(_compiled(rules))


@functools.lru_cache(maxsize=4)
def trimmed_proto(proto, lowercase=True, keep_accents=False):
    """Builds a model without the rules that cleaned text never needs.

    Most of the usual rules are for letters that the clean-up has taken apart by then: 0.24 of
    the 0.76 MB of the published English vocabulary go.

    Args:
        proto: bytes of a SentencePiece `.model` file.
        lowercase, keep_accents: see `AlbertTokenizer`.

    Returns:
        bytes of a `.model` file: of cleaned text it gives the ids that the given one gives.

    Raises:
        ValueError: `proto` is no usable vocabulary.
    """
    model = SentencePieceModel(proto)
    # Pieces are read by the rules, too, where one that ends in a digit and a comma is divided.
    in_pieces = set().union(*model.pieces)

    def stays(letter):
        cleaned, _, _ = clean(letter, lowercase, keep_accents)
        return letter == " " or letter in in_pieces or cleaned == letter

    # All letters that no piece has are one to the model.
    stranger = next(chr(point) for point in range(0xFFFD, 0, -1) if chr(point) not in in_pieces)
    known = in_pieces | {" "}
    rules = {
        key: "".join(letter if letter in known else stranger for letter in becomes)
        for key, becomes in Charsmap(model.charsmap).rules(stays)
    }
    trimmed = model.with_charsmap(_compiled(rules) if rules else b"")
    return trimmed if len(trimmed) < len(proto) else proto


def _clean(letter, lowercase):
    if letter.isspace():
        return " "
    if letter.isascii():
        return letter.lower() if lowercase else letter
    letters = unicodedata.normalize("NFKD", letter)
    letters = "".join(c for c in letters if not unicodedata.combining(c))
    return letters.lower() if lowercase else letters


def _long_rules(own, lowercase):
    """The model's own rules for several characters, if cleaned text can have them."""
    for key, becomes in own.rules(lambda letter: _clean(letter, lowercase) == letter):
        if len(key) > 1:
            yield key, becomes


def _compiled(rules):
    """The rules in the form of a model file: only SentencePiece's trainer can write it."""
    lines = [f"{_hex(key)}\t{_hex(becomes)}\n" for key, becomes in sorted(rules.items())]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rules.tsv"
        table.write_text("".join(lines), encoding="utf-8")
        trained = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e"] * 9),
            model_writer=trained,
            vocab_size=12,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(table),
            minloglevel=2,
        )
    normalizer = message_field(trained.getvalue(), 3)
    return dict(fields_of(normalizer))[2]


def _hex(text):
    return " ".join(f"{ord(letter):X}" for letter in text)
