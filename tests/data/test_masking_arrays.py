import numpy as np
import pytest

from albert_tf.data.masking import MaskingLaw, mask_row
from albert_tf.data.masking_arrays import mask_rows
from albert_tf.data.masking_vocabulary import MaskingVocabulary

LAWS = [MaskingLaw(), MaskingLaw(max_ngram=1, whole_words=False), MaskingLaw(mask_fraction=1.0)]


def random_rows(vocabulary, rng, num_rows=200):
    """Rows of one and of two segments, empty text among them."""
    rows = []
    for number in range(num_rows):
        first, second = (rng.choice(vocabulary.ordinary_ids, rng.integers(0, 30)) for _ in "12")
        rows.append([2, *first, 3, *([*second, 3] if number % 4 else [])])
    firsts = [row.index(3) + 1 for row in rows]
    return [np.array(row, np.int32) for row in rows], np.array(firsts)


@pytest.mark.parametrize("law", LAWS, ids=["published", "single tokens", "all"])
def test_many_rows_are_masked_as_each_row_alone(law, tiny_proto):
    vocabulary = MaskingVocabulary.read(tiny_proto)
    rng = np.random.default_rng(0)
    rows, firsts = random_rows(vocabulary, rng)
    keys = rng.integers(1 << 64, size=len(rows), dtype=np.uint64)
    lengths = np.array([len(row) for row in rows])
    hidden, picked, counts = mask_rows(np.concatenate(rows), lengths, firsts, keys, vocabulary, law)
    ends = np.cumsum(lengths)
    positions = np.split(picked - np.repeat(ends - lengths, counts), np.cumsum(counts)[:-1])
    names = ("mask_id", "ordinary_ids", "word_starts")
    parts = {name: getattr(vocabulary, name) for name in names}
    for i, row in enumerate(rows):
        alone, picked_alone = mask_row(row, int(firsts[i]), keys[i], law=law, **parts)
        np.testing.assert_array_equal(hidden[ends[i] - lengths[i] : ends[i]], alone)
        np.testing.assert_array_equal(positions[i], picked_alone)
