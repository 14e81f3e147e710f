"""The windows of real paragraphs, with the published vocabulary."""

import tarfile

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.squad import read_squad
from albert_tf.data.windows import WindowSizes, make_windows
from albert_tf.tokenizer import AlbertTokenizer


@pytest.fixture(scope="module")
def tokenizer(shared):
    return AlbertTokenizer(shared / "data/spm/30k-clean.model")


@pytest.fixture(scope="module")
def golds(shared, tmp_path_factory):
    """All answers of both dev files, as (question, context, text, start)."""
    rows = []
    for version in ("v1.1", "v2.0"):
        path = tmp_path_factory.mktemp("squad") / "dev.json"
        with tarfile.open(shared / "data/squad.tar.xz") as archive:
            path.write_bytes(archive.extractfile(f"squad/official-dev-{version}.json").read())
        read = read_squad(path)
        for question, context, answers in zip(
            read.questions, read.contexts, read.answers, strict=True
        ):
            rows += [(question, context, *answer) for answer in dict.fromkeys(answers)]
    return rows


@pytest.mark.parametrize("every", [100, pytest.param(1, marks=pytest.mark.slow)])
def test_answers_come_back_from_their_positions(tokenizer, golds, every):
    sizes = WindowSizes(sequence_length=128, doc_stride=48, max_query_length=32)
    sample, recovered = golds[::every], set()
    for begin in range(0, len(sample), 512):
        part = sample[begin : begin + 512]
        questions, contexts, texts, starts = (
            tf.constant(column) for column in zip(*part, strict=True)
        )
        notes = make_windows(tokenizer, questions, contexts, sizes)
        made = make_windows(tokenizer, questions, contexts, sizes, (texts, starts))
        notes, made = ({k: v.numpy() for k, v in d.items()} for d in (notes, made))
        _assert_each_piece_is_read_once(notes)
        for row in np.flatnonzero(made["is_impossible"] == 0):
            _, context, text, start = part[notes["question_index"][row]]
            first = notes["char_starts"][row, made["start_positions"][row]]
            last = notes["char_ends"][row, made["end_positions"][row]]
            # A piece may reach beyond the answer ("gold" of "golden"), but no piece less is there.
            assert first <= start and start + len(text) <= last
            assert start not in notes["char_starts"][row] or first == start
            assert start + len(text) not in notes["char_ends"][row] or last == start + len(text)
            if context[first:last] == text:
                recovered.add(begin + notes["question_index"][row])
        # An answer is held by some window unless it is as long as one.
        held = np.unique(notes["question_index"][made["is_impossible"] == 0])
        assert len(part) - len(held) <= 2
    # 28,474 of 28,604 are exactly a run of pieces.
    assert len(recovered) > 0.99 * len(sample)


def _assert_each_piece_is_read_once(notes):
    """Every piece of each context is in some window, and in just one with the most context."""
    is_best = notes["is_max_context"] == 1
    question = np.broadcast_to(notes["question_index"][:, None], is_best.shape)
    names = ("char_starts", "char_ends")
    spans = np.stack([question, *(notes[name] for name in names)], axis=-1)
    all_spans = np.unique(spans[notes["char_starts"] >= 0], axis=0)
    best_spans = np.unique(spans[is_best], axis=0)
    np.testing.assert_array_equal(all_spans, best_spans)
