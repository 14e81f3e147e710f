"""Answers of exports as dictionaries, one a row."""

import numpy as np
import pytest

from albert_tf.serving.readable import readable_rows


def test_a_class_comes_with_the_shares_of_all():
    outputs = {
        "label": np.array(["good", "bad"], object),
        "class_names": np.array([["bad", "good"]] * 2, object),
        "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
        "logits": np.zeros((2, 2), np.float32),
    }
    assert readable_rows(outputs)[0] == {
        "label": "good",
        "probabilities": {"bad": 0.25, "good": 0.75},
    }


def test_entities_are_as_many_as_there_are():
    outputs = {
        "entity": np.array([["Zoë", "Rome"], ["Oslo", ""]], object),
        "label": np.array([["who", "where"], ["where", ""]], object),
        "start": np.array([[0, 8], [4, -1]], np.int32),
        "end": np.array([[3, 12], [8, -1]], np.int32),
        "score": np.array([[0.5, 1.0], [0.25, 0.0]], np.float32),
        "num_entities": np.array([2, 1], np.int32),
    }
    oslo = {"entity": "Oslo", "label": "where", "start": 4, "end": 8, "score": 0.25}
    assert [len(row["entities"]) for row in readable_rows(outputs)] == [2, 1]
    assert readable_rows(outputs)[1] == {"entities": [oslo]}


def test_a_mask_has_its_words():
    outputs = {
        "filled": np.array(["a cat"], object),
        "word": np.array([[["cat", "dog"], ["", ""]]], object),
        "piece": np.array([[["▁cat", "▁dog"], ["", ""]]], object),
        "probability": np.array([[[0.5, 0.25], [0, 0]]], np.float32),
        "start": np.array([[2, -1]], np.int32),
        "end": np.array([[8, -1]], np.int32),
        "num_masks": np.array([1], np.int32),
    }
    (row,) = readable_rows(outputs)
    (mask,) = row["masks"]
    assert (row["filled"], mask["start"], mask["end"]) == ("a cat", 2, 8)
    assert mask["words"][1] == {"word": "dog", "piece": "▁dog", "probability": 0.25}


def test_a_place_without_a_choice_is_left_out():
    outputs = {
        "choice": np.array(["no"], object),
        "index": np.array([1], np.int32),
        "probabilities": np.array([[0.25, 0.75, 0.0]], np.float32),
        "logits": np.zeros((1, 3), np.float32),
    }
    assert readable_rows(outputs) == [{"choice": "no", "index": 1, "probabilities": [0.25, 0.75]}]


def test_the_best_spans_are_a_list():
    outputs = {
        "text": np.array([["Oslo", "in Oslo", ""]], object),
        "start": np.array([[3, 0, 0]], np.int32),
        "end": np.array([[7, 7, 0]], np.int32),
        "probability": np.array([[0.75, 0.25, 0.0]], np.float32),
        "start_score": np.zeros((1, 3), np.float32),
        "end_score": np.zeros((1, 3), np.float32),
        "null_odds": np.array([-0.5], np.float32),
    }
    (row,) = readable_rows(outputs)
    assert row["null_odds"] == -0.5 and [a["text"] for a in row["answers"]] == ["Oslo", "in Oslo"]


def test_a_written_answer_has_the_ids_up_to_its_end():
    outputs = {
        "answer": np.array(["a cat"], object),
        "answer_ids": np.array([[7, 9, 3, 0, 0]], np.int32),
        "num_tokens": np.array([3], np.int32),
        "score": np.array([-0.5], np.float32),
    }
    assert readable_rows(outputs) == [{"answer": "a cat", "answer_ids": [7, 9, 3], "score": -0.5}]


def test_other_answers_keep_their_names():
    outputs = {"score": np.array([0.5, 1.5]), "embedding": np.eye(2, dtype=np.float32)}
    first, second = readable_rows(outputs)
    assert (first["score"], second["score"]) == (0.5, 1.5)
    np.testing.assert_array_equal(second["embedding"], [0, 1])


def test_an_output_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"one value a row: got shapes n \(\), x \(2,\)"):
        readable_rows({"n": np.array(3), "x": np.zeros(2)})
