"""Vocabularies and texts that the tests of the tokenizer share."""

import io
import json
import struct
import tarfile

import numpy as np
import sentencepiece

PRINTABLE = [*"abcdeHIJ  019,,,..'\"-()£€–\t\n", *"▁\u200bﬁ½…①Σß각\u1100\u1161日😀\0\x01¨²３，⑶"]


def train(sentences, **settings):
    recipe = {
        "vocab_size": 60,
        "pad_id": 0,
        "unk_id": 1,
        "bos_id": -1,
        "eos_id": -1,
        "control_symbols": "[CLS],[SEP],[MASK]",
        "hard_vocab_limit": False,
        "minloglevel": 2,
    }
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences * 5), model_writer=model, **{**recipe, **settings}
    )
    return model.getvalue()


def with_pieces(proto, *pieces):
    """Appends well-liked pieces to a serialized model: messages merge by concatenation."""
    for piece in map(str.encode, pieces):
        message = b"\x0a%c%b\x15%b" % (len(piece), piece, struct.pack("<f", -0.1))
        proto += b"\x0a%c%b" % (len(message), message)
    return proto


def processor_of(proto):
    return sentencepiece.SentencePieceProcessor(model_proto=proto)


def random_texts(num_texts, seed):
    rng = np.random.default_rng(seed)
    characters = np.array([*PRINTABLE, "\u0301", "\u0323"])
    return ["".join(rng.choice(characters, size)) for size in rng.integers(0, 30, num_texts)]


def spelled(tokenizer, text):
    """Pairs each piece of a text with the part of the text that its span covers."""
    ids, starts, ends = tokenizer.tokenize_with_offsets(text)
    spans = zip(ids.numpy(), starts.numpy(), ends.numpy(), strict=True)
    return [(tokenizer.id_to_token(i), text[start:end]) for i, start, end in spans]


def squad_paragraphs(shared, num_texts):
    """Reads SQuAD paragraphs, those beyond ASCII first."""
    with tarfile.open(shared / "data/squad.tar.xz") as archive:
        articles = json.load(archive.extractfile("squad/dev-v1.1.json"))["data"]
    texts = [p["context"] for article in articles for p in article["paragraphs"]]
    return sorted(texts, key=str.isascii)[:num_texts]
