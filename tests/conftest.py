"""Fixtures for all tests: the small model, its vocabulary, and the data beside the repository."""

import io
import os
from pathlib import Path

import pytest

from albert_tf.config import AlbertConfig

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Processes that tests start find a package that is checked out but not installed.
ROOT = str(Path(__file__).parents[1])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))

SENTENCES = [
    "A sorted list answers in logarithmic time.",
    "The cat sat on the mat, and 3, 14 or 1,000 dogs did not.",
    "Plot the first array against the second.",
    "Open the file and read every line of it.",
    "What a wonderful film, full of light!",
    "A dull story that never finds its end.",
    "Numbers are drawn from a normal distribution.",
    "She said (quietly): “no more than £5 – or €6”.",
]


@pytest.fixture(scope="session")
def shared():
    """The data and recorded behaviour beside the repository; tests skip where it is absent."""
    path = Path(__file__).parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"needs the folder {path}, which this checkout does not have")
    return path


@pytest.fixture(scope="session")
def tiny_proto():
    """Bytes of a SentencePiece model of 88 pieces with ALBERT's special tokens."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line.lower() for line in SENTENCES * 3),
        model_writer=model,
        vocab_size=88,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols="[CLS],[SEP],[MASK]",
        minloglevel=2,
    )
    return model.getvalue()


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_proto):
    """`AlbertTokenizer` on the tiny vocabulary."""
    from albert_tf.tokenizer import AlbertTokenizer

    return AlbertTokenizer(proto=tiny_proto)


@pytest.fixture(scope="session")
def tiny_vocab_txt():
    """Bytes of a WordPiece vocabulary of 88 pieces, as many as the tiny SentencePiece model has."""
    pieces = [
        "[PAD]",
        "[unused1]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"我爱北京天安门今雨去不你好一，。！？（）",
    ]
    pieces += [
        *",.!?'-#[]()",
        "the",
        "cat",
        "##s",
        "##ing",
        "un",
        "##able",
        "he",
        "##llo",
        "𠀀",
        "##我",
        "1",
    ]
    letters = "abcdefghilmnoprstuvy"
    pieces += [*letters, *(f"##{letter}" for letter in letters if letter != "s"), "##1"]
    return "".join(f"{piece}\n" for piece in pieces).encode()


@pytest.fixture(scope="session")
def tiny_config():
    """A configuration small enough for a test and with no two sizes alike."""
    return AlbertConfig(
        vocab_size=88,
        embedding_size=8,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=48,
    )


@pytest.fixture
def served_answers(tmp_path):
    """Gives what a SavedModel of a function of `text` answers in TensorFlow 1's session.

    TF Serving loads into a session, too, and not as Python does.
    """
    import tensorflow as tf

    def answers(serve, texts):
        module = tf.Module()
        module.serve = serve
        tf.saved_model.save(module, tmp_path, signatures={"serving_default": serve})
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            graph = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path))
            signature = graph.signature_def["serving_default"]
            outputs = {name: info.name for name, info in signature.outputs.items()}
            return session.run(outputs, {signature.inputs["text"].name: texts})

    return answers
