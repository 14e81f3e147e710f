"""The tokenizer in Kotlin and Swift (`export/mobile`) against the reference in Python."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from albert_tf.text.device_tokenizer import DeviceTokenizer
from tests.tokenizer_cases import random_texts, train, with_pieces

FOLDER = Path(__file__).parents[2] / "export/mobile"
VOCABULARY = Path(__file__).parents[2] / "albert_tf/presets/books_small/spiece.model"
SENTENCES = ["a sorted list, 3, 14 or 1,000 dogs", "the end of 21, 99 cats; ½ of ①", "ab cd"]
STYLES = [(True, False), (True, True), (False, False), (False, True)]
# Combining marks, Hebrew and Arabic points, final sigmas, a letter that grows when it is small.
MORE = ["aΣ", "ΑΣ\u0345 Σ.Σ", "İI", "\u05d0\u05b7", "ก\u0e49", "\ufdfa", "e\u0323\u0301" * 3, "ﬃ"]


@pytest.fixture(scope="module")
def vectors():
    return json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["kotlin", "swift"])
def port(request, tmp_path_factory):
    """The command that runs the port's main program; it is compiled first."""
    compiler = {"kotlin": "kotlinc", "swift": "swiftc"}[request.param]
    if shutil.which(compiler) is None:
        pytest.skip(f"needs the compiler {compiler}")
    program = tmp_path_factory.mktemp("port") / "tokenize.jar"
    sources = sorted(map(str, (FOLDER / request.param).iterdir()))
    if request.param == "kotlin":
        flags, command = ["-include-runtime", "-d"], ["java", "-jar", str(program)]
    else:
        flags, command = ["-O", "-o"], [str(program)]
    made = subprocess.run(
        [compiler, *sources, *flags, str(program)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return command


def ask(command, vocabulary, style, rows, *sizes):
    """What a port prints of rows of texts, a line each."""
    flags = [str(int(flag)) for flag in style] + [str(size) for size in sizes]
    lines = ["\t".join(text.encode().hex() for text in row) for row in rows]
    ran = subprocess.run(
        [*command, str(vocabulary), *flags],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split("\n")[:-1]


def printed(tokens):
    return " ".join(f"{t.id}:{t.start}:{t.end}" for t in tokens)


def test_the_vectors_are_what_the_reference_gives():
    spec = importlib.util.spec_from_file_location("write_vectors", FOLDER / "write_vectors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (FOLDER / "vectors.json").read_text(encoding="utf-8") == module.content()


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_a_port_gives_the_tokens_of_the_vectors(port, vectors, style):
    names = ("lowercase", "keep_accents")
    entries = [e for e in vectors["tokens"] if tuple(e[name] for name in names) == style]
    expected = [
        " ".join(f"{i}:{s}:{e}" for i, s, e in zip(r["ids"], r["starts"], r["ends"], strict=True))
        for r in entries
    ]
    assert ask(port, VOCABULARY, style, [[e["text"]] for e in entries]) == expected


@pytest.mark.slow
def test_a_port_gives_the_rows_of_the_vectors(port, vectors):
    for row in vectors["rows"]:
        texts = [row["text"]] + ([] if row["text_pair"] is None else [row["text_pair"]])
        (line,) = ask(port, VOCABULARY, (True, False), [texts], row["limit"], row["width"])
        ids, segments, length = line.split("\t")
        assert list(map(int, ids.split())) == row["token_ids"]
        assert list(map(int, segments.split())) == row["segment_ids"]
        assert int(length) == row["input_length"]


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_a_port_agrees_on_noise_and_symbols_of_the_user(port, style, tmp_path):
    symbols = train(SENTENCES, user_defined_symbols="(,),-,.")
    proto = with_pieces(symbols, "▁3,", "▁21,", "a▁b", "ss")
    (tmp_path / "noise.model").write_bytes(proto)
    texts = [t.replace("\n", " ") for t in random_texts(500, seed=6)] + MORE
    expected = [printed(DeviceTokenizer(proto, *style).tokenize(text)) for text in texts]
    assert ask(port, tmp_path / "noise.model", style, [[text] for text in texts]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("lower", [True, False])
def test_a_port_gives_the_recorded_ids_of_the_published_vocabulary(port, shared, lower):
    recorded = json.loads((shared / "goldens/tokenizer.json").read_text())
    entries = [entry for entry in recorded if entry["lower"] is lower]
    path = shared / "data/spm/30k-clean.model"
    lines = ask(port, path, (lower, False), [[entry["text"]] for entry in entries])
    ids = [[int(token.split(":")[0]) for token in line.split()] for line in lines]
    assert ids == [entry["ids"] for entry in entries]
