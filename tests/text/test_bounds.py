"""Texts that are far too long: their beginning counts, and what follows costs nothing."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.text.bounds import at_most, beginning
from albert_tf.text.sentencepiece_model import SentencePieceModel

# Kinds of text of which more than a megabyte must not cost more than a little.
KINDS = {
    "words": b"read every line of it. ",
    "spaces": b" ",
    "one word": b"x",
    "accents": "\u0301".encode(),
    "control characters": b"\x01",
    "no text": b"\xff",
    "NUL": b"\0",
    "Chinese": "漢字".encode(),
}
PEAK = """
import sys, tensorflow as tf
from albert_tf.tokenizer import AlbertTokenizer
tokenizer = AlbertTokenizer(sys.argv[1])
encode = tf.function(lambda text: tokenizer.tokenize_beginning(text, 128), autograph=False)
encode = encode.get_concrete_function(tf.TensorSpec([None], tf.string))
for kind in eval(sys.argv[2]):
    text = tf.constant([kind * (10_000_000 // len(kind))])
    encode(tf.constant(["warm"]))
    status = open("/proc/self/status").read()
    open("/proc/self/clear_refs", "w").write("5")
    encode(text)
    after = open("/proc/self/status").read()
    read = lambda text, name: int(text.split(name + ":")[1].split()[0])
    print((read(after, "VmHWM") - read(status, "VmRSS")) // 1024)
"""


def cut(text, num_bytes, function=beginning):
    return function(tf.constant([text, "a b"]), num_bytes).numpy()[0].decode()


def test_a_text_ends_with_its_last_whole_word():
    assert cut("one two three four", 12) == "one two"
    assert cut("one two three four", 18) == "one two three four"


def test_a_word_longer_than_half_of_all_is_cut_itself():
    assert cut("one " + "x" * 20, 12) == "one " + "x" * 8
    assert cut("é" * 20, 13) == "é" * 6


def test_places_in_a_text_stay_when_its_end_goes():
    assert cut("one twé three", 7, at_most) == "one tw"
    assert cut("one two", 7, at_most) == "one two"


def test_the_beginning_has_the_ids_of_the_whole(tiny_tokenizer, tiny_proto):
    rng, num_tokens = np.random.default_rng(0), 5
    most = 6 * num_tokens * SentencePieceModel(tiny_proto).bytes_of_longest_piece()
    letters = np.array(list("aeinrst .,é한ﬁ½\u0301\u3000漢"))
    texts = ["".join(rng.choice(letters, size)) for size in (most // 2, 2 * most, 9 * most)]
    texts += [text.replace("a", "  \t \u0301") for text in texts] + [" " * 9 * most + "a cat"]
    whole = tiny_tokenizer(texts).to_list()
    got = tiny_tokenizer.tokenize_beginning(texts, num_tokens).to_list()
    assert [row[:num_tokens] for row in got] == [row[:num_tokens] for row in whole]
    assert len(got[2]) < len(whole[2]) and got[0] == whole[0]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize("kind", ["tiny_proto", "tiny_vocab_txt"])
def test_ten_megabytes_cost_a_few_copies_of_themselves(kind, request, tmp_path):
    # Clean-up holds the text some four times, and what is no text three bytes for each; the
    # tokenizer alone took 400 MB, and NUL bytes 800.
    (tmp_path / "vocabulary.model").write_bytes(request.getfixturevalue(kind))
    command = [
        sys.executable,
        "-c",
        PEAK,
        tmp_path / "vocabulary.model",
        repr(list(KINDS.values())),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peaks = dict(zip(KINDS, map(int, done.stdout.split()), strict=True))
    assert max(peaks.values()) < 150, peaks
