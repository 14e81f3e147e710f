import random
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.chance import fold
from albert_tf.data.masking import MaskingLaw, mask_row
from albert_tf.data.masking_ops import mask_rows

here = Path(__file__)
original = SimpleNamespace(**runpy.run_path(here.with_name("original_masking.py")))
fixtures = SimpleNamespace(**runpy.run_path(str(here.with_name("record_fixtures.py"))))
VOCABULARY = fixtures.masking_vocabulary(np.arange(1000) % 3 != 0)


def padded(rows, width):
    ids = np.zeros((len(rows), width), np.int32)
    for row, record in zip(ids, rows, strict=True):
        row[: len(record["token_ids"])] = record["token_ids"]
    lengths = np.array([len(record["token_ids"]) for record in rows], np.int32)
    return ids, lengths, np.array([record["first_length"] for record in rows], np.int32)


def random_rows(count, width, seed=0):
    rng = np.random.default_rng(seed)
    lengths = np.where(rng.random(count) < 0.8, width, rng.integers(5, width, count))
    return [fixtures.pair_row(rng, int(length), 1000) for length in lengths]


def mask(rows, width, law, keys):
    ids, lengths, first_lengths = map(tf.constant, padded(rows, width))
    ops = tf.function(lambda *args: mask_rows(*args, VOCABULARY, law))
    return {k: v.numpy() for k, v in ops(ids, lengths, first_lengths, tf.constant(keys)).items()}


@pytest.mark.parametrize(
    ("width", "law"),
    [
        (64, MaskingLaw()),
        (24, MaskingLaw(max_predictions=3, max_ngram=5, mask_fraction=0.3)),
        (40, MaskingLaw(max_predictions=9, max_ngram=1, whole_words=False)),
    ],
)
def test_a_batch_is_masked_bit_for_bit_as_row_by_row_in_numpy(width, law):
    rows, keys = random_rows(40, width), fold(3, np.arange(40))
    batch = mask(rows, width, law, keys)
    for number, row in enumerate(rows):
        hidden, picked = mask_row(
            row["token_ids"],
            row["first_length"],
            keys[number],
            law=law,
            mask_id=4,
            ordinary_ids=VOCABULARY.ordinary_ids,
            word_starts=VOCABULARY.word_starts,
        )
        count = len(picked)
        assert batch["token_ids"][number, : len(hidden)].tolist() == hidden.tolist()
        assert batch["mask_positions"][number].tolist() == [
            *picked,
            *[0] * (law.max_predictions - count),
        ]
        assert batch["mask_ids"][number, :count].tolist() == row["token_ids"][picked].tolist()
        assert batch["mask_weights"][number].sum() == count > 0


def test_masks_keep_words_whole_within_budget_and_off_special_tokens():
    rows, law = random_rows(200, 48), MaskingLaw(max_predictions=6)
    batch = mask(rows, 48, law, fold(1, np.arange(200)))
    for number, row in enumerate(rows):
        ids, first = row["token_ids"], row["first_length"]
        picked = batch["mask_positions"][number][batch["mask_weights"][number] > 0]
        assert 1 <= len(picked) <= law.budget(len(ids))
        assert not set(picked) & {0, first - 1, len(ids) - 1}
        place = np.arange(len(ids))
        starts = VOCABULARY.word_starts[ids] | (ids <= 3) | np.isin(place, [1, first])
        word = np.cumsum(starts)
        np.testing.assert_array_equal(np.flatnonzero(np.isin(word, word[picked])), picked)


def test_an_empty_row_stays_empty():
    empty = {"token_ids": np.zeros(0, np.int32), "first_length": 0}
    batch = mask([empty] * 2, 24, MaskingLaw(), fold(0, np.arange(2)))
    assert not any(values.any() for values in batch.values())


def test_tokens_are_replaced_in_the_shares_80_10_10_by_ordinary_ones():
    rows, law = random_rows(2000, 64), MaskingLaw(max_predictions=10)
    batch = mask(rows, 64, law, fold(9, np.arange(2000)))
    real = batch["mask_weights"] > 0
    seen = np.take_along_axis(batch["token_ids"], batch["mask_positions"], axis=1)[real]
    answers, num = batch["mask_ids"][real], real.sum()
    shares = [
        (seen == 4).mean(),
        ((seen != 4) & (seen != answers)).mean(),
        (seen == answers).mean(),
    ]
    # A random token is the same one in a case of 995. Four deviations of 0.8 in some 18,000.
    np.testing.assert_allclose(shares, [0.8, 0.1 * 994 / 995, 0.1 + 0.1 / 995], atol=0.012)
    assert num > 17_000 and seen.min() == 4
    drawn = seen[(seen != 4) & (seen != answers)]
    assert drawn.min() < 25 and drawn.max() > 979 and abs(drawn.mean() - 502) < 4 * 287 / 42


def test_every_position_is_masked_as_often_as_by_the_original():
    # One row many times: its words have 1, 2 or 3 tokens, so position and budget matter.
    row = fixtures.pair_row(np.random.default_rng(5), 30, 1000)
    law = MaskingLaw(max_predictions=4)
    num, ids = 20_000, row["token_ids"]
    batch = mask([row] * num, 30, law, fold(2, np.arange(num)))
    ours = np.bincount(batch["mask_positions"][batch["mask_weights"] > 0], minlength=30) / num
    text = np.flatnonzero(~np.isin(np.arange(30), [0, row["first_length"] - 1, 29]))
    starts = VOCABULARY.word_starts[ids[text]] | (text == row["first_length"])
    words, rng = original.original_words(starts), random.Random(0)
    theirs, counts = np.zeros(30), np.zeros(5)
    for _ in range(num // 2):
        picked = original.draw_original(words, rng, law.budget(30), 3)
        theirs[text[picked]] += 2 / num
        counts[len(picked)] += 2 / num
    # Four and a half deviations of the difference of two shares below 0.25, for 27 positions.
    np.testing.assert_allclose(ours, theirs, atol=4.5 * 0.43 * np.sqrt(3 / num))
    ours = np.bincount(batch["mask_weights"].sum(1).astype(int), minlength=5) / num
    np.testing.assert_allclose(ours, counts, atol=4.5 * 0.5 * np.sqrt(3 / num))
