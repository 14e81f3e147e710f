import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.pretraining import (
    MaskingVocabulary,
    pretraining_arrays,
    pretraining_dataset,
    split_targets,
    tokenize_documents,
)

VOCABULARY = MaskingVocabulary(
    start_id=2,
    end_id=3,
    pad_id=0,
    mask_id=4,
    ordinary_ids=np.arange(5, 1000, dtype=np.int32),
    word_starts=np.arange(1000) % 3 != 0,
)
DOCUMENTS = [
    list(np.random.default_rng(i).integers(5, 1000, (30, 9), dtype=np.int32)) for i in range(8)
]


def draw(seed=0, **settings):
    settings = {"sequence_length": 48, "max_predictions": 8} | settings
    return pretraining_arrays(DOCUMENTS, VOCABULARY, np.random.default_rng(seed), **settings)


def restored(arrays):
    """Token ids with the answers put back in place."""
    ids = arrays["token_ids"].copy()
    for row in range(len(ids)):
        count = int(arrays["mask_weights"][row].sum())
        ids[row, arrays["mask_positions"][row, :count]] = arrays["mask_ids"][row, :count]
    return ids


def test_rows_hold_the_batch_fields_in_their_types_and_shapes():
    arrays = draw()
    rows = len(arrays["token_ids"])
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "token_ids": ("int32", (rows, 48)),
        "segment_ids": ("int32", (rows, 48)),
        "padding_mask": ("int32", (rows, 48)),
        "mask_positions": ("int32", (rows, 8)),
        "mask_ids": ("int32", (rows, 8)),
        "mask_weights": ("float32", (rows, 8)),
        "sentence_order_label": ("int32", (rows,)),
    }


def test_rows_are_two_segments_between_special_tokens():
    arrays = draw()
    for ids, segments, mask in zip(
        restored(arrays), arrays["segment_ids"], arrays["padding_mask"], strict=True
    ):
        length = mask.sum()
        assert (mask[:length] == 1).all() and (ids[length:] == 0).all()
        first_end, second_end = np.flatnonzero(ids == 3)
        assert ids[0] == 2 and second_end == length - 1 and 1 < first_end < length - 2
        np.testing.assert_array_equal(np.flatnonzero(segments), np.arange(first_end + 1, length))


def test_special_tokens_are_never_masked_and_answers_are_the_text():
    arrays = draw()
    answers = arrays["mask_ids"][arrays["mask_weights"] > 0]
    assert answers.min() >= 5
    text = {tuple(sentence[:2]) for document in DOCUMENTS for sentence in document}
    restored_pairs = {pair for ids in restored(arrays) for pair in zip(ids, ids[1:], strict=False)}
    assert len(text & restored_pairs) > 0.8 * len(text)


def test_the_label_says_whether_the_segments_are_swapped():
    numbered = [np.split(np.arange(5, 995, dtype=np.int32), 110)]
    arrays = pretraining_arrays(
        numbered, VOCABULARY, np.random.default_rng(0), sequence_length=48, max_predictions=8
    )
    for ids, segments, label in zip(
        restored(arrays), arrays["segment_ids"], arrays["sentence_order_label"], strict=True
    ):
        second = ids[np.flatnonzero(segments)[0]]
        assert label == int(second < ids[1])


def test_masks_stay_within_budget_and_keep_words_whole():
    arrays = draw(max_predictions=20)
    for ids, positions, weights, mask in zip(
        restored(arrays),
        arrays["mask_positions"],
        arrays["mask_weights"],
        arrays["padding_mask"],
        strict=True,
    ):
        picked = positions[weights > 0]
        assert 1 <= len(picked) <= max(1, round(0.15 * mask.sum()))
        starts = VOCABULARY.word_starts[ids] | (ids <= 3) | (np.roll(ids, 1) <= 3)
        word = np.cumsum(starts)
        np.testing.assert_array_equal(np.flatnonzero(np.isin(word, word[picked])), picked)


def test_every_epoch_is_masked_anew_and_a_seed_fixes_all_of_them():
    def batches(seed):
        dataset = pretraining_dataset(
            DOCUMENTS, VOCABULARY, batch_size=8, num_epochs=2, seed=seed, sequence_length=48
        )
        return [inputs["token_ids"].numpy() for inputs, _, _ in dataset]

    one, again, other = batches(1), batches(1), batches(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])
    half = len(one) // 2
    assert not any(np.array_equal(a, b) for a, b in zip(one[:half], one[half:], strict=False))


def test_the_number_of_batches_is_known_and_none_is_short():
    dataset = pretraining_dataset(DOCUMENTS, VOCABULARY, batch_size=8, sequence_length=48)
    shapes = {tuple(inputs["token_ids"].shape) for inputs, _, _ in dataset}
    assert shapes == {(8, 48)}
    assert int(dataset.cardinality()) == len(list(dataset)) > 0


def test_a_batch_is_split_for_the_two_outputs_of_the_model():
    batch = {name: tf.constant(array[:2]) for name, array in draw().items()}
    inputs, targets, weights = split_targets(batch)
    assert set(inputs) == {"token_ids", "segment_ids", "padding_mask", "mask_positions"}
    assert targets["mlm_logits"] is batch["mask_ids"]
    assert targets["sop_logits"] is batch["sentence_order_label"]
    assert weights["mlm_logits"] is batch["mask_weights"]
    assert weights["sop_logits"].numpy().tolist() == [1.0, 1.0]


def test_documents_are_tokenized_sentence_by_sentence(tiny_tokenizer):
    documents = [["The cat sat.", "Open the file."], [], ["A dull story"]]
    tokenized = tokenize_documents(documents, tiny_tokenizer)
    assert [len(document) for document in tokenized] == [2, 0, 1]
    for sentence, ids in zip(documents[0], tokenized[0], strict=True):
        np.testing.assert_array_equal(ids, tiny_tokenizer(sentence).numpy())
    assert tokenize_documents([[], []], tiny_tokenizer) == [[], []]


def test_masking_learns_the_special_pieces_from_the_tokenizer(tiny_tokenizer):
    vocabulary = MaskingVocabulary.from_tokenizer(tiny_tokenizer)
    assert (vocabulary.pad_id, vocabulary.start_id, vocabulary.end_id) == (0, 2, 3)
    assert vocabulary.mask_id == 4 and vocabulary.ordinary_ids.tolist() == list(range(5, 88))
    assert vocabulary.word_starts[tiny_tokenizer.token_to_id("▁the")]
    assert not vocabulary.word_starts[tiny_tokenizer.token_to_id("s")]


def test_text_without_two_sentences_in_a_row_is_refused():
    with pytest.raises(ValueError, match="got 1 documents with 1 sentences"):
        pretraining_arrays([[np.arange(5, 9)]], VOCABULARY, np.random.default_rng(0))


def test_less_than_a_batch_is_refused_with_the_largest_possible():
    with pytest.raises(ValueError, match=r"batch_size of at most \d+"):
        pretraining_dataset(DOCUMENTS, VOCABULARY, batch_size=4096)
