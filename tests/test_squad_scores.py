import json
import tarfile

import pytest

from albert_tf.metrics import squad_scores

GOLDS = {
    "case": ["The Denver Broncos", "Denver Broncos"],
    "digits": ["1,000", "1000 dogs"],
    "point": ["."],
    "article": ["the"],
    "letters": ["Café Zoë"],
    "none": [],
    "none too": [],
}
PREDICTIONS = {
    "case": "the DENVER broncos!",
    "digits": "about 1000 cats and dogs",
    "point": "a",
    "article": "an apple",
    "letters": "Cafe Zoë",
    "none": "",
    "none too": "something",
}
ODDS = {
    "case": -3,
    "digits": 1,
    "point": -1,
    "article": 2,
    "letters": 0.5,
    "none": 4,
    "none too": 3,
}
# Recorded from evaluate-v2.0.py, and from evaluate-v1.1.py for the questions with answers.
RECORDED_2_0 = {
    "exact": 42.857142857142854,
    "f1": 58.16326530612245,
    "total": 7,
    "HasAns_exact": 40.0,
    "HasAns_f1": 61.42857142857143,
    "HasAns_total": 5,
    "NoAns_exact": 50.0,
    "NoAns_f1": 50.0,
    "NoAns_total": 2,
}
RECORDED_1_1 = {"exact": 40.0, "f1": 41.42857142857143, "total": 5}
RECORDED_THRESHOLDS = {
    "best_exact": 57.142857142857146,
    "best_exact_thresh": -1,
    "best_f1": 72.44897959183673,
    "best_f1_thresh": 1,
}


def data_of(golds):
    asked = [
        {
            "id": id,
            "question": "?",
            "answers": [{"text": text, "answer_start": 0} for text in texts],
        }
        for id, texts in golds.items()
    ]
    return [{"title": "", "paragraphs": [{"context": "", "qas": asked}]}]


def test_small_cases_have_the_scores_of_the_official_script_of_2_0():
    assert squad_scores(data_of(GOLDS), PREDICTIONS) == RECORDED_2_0


def test_small_cases_have_the_scores_of_the_official_script_of_1_1():
    answered = {id: texts for id, texts in GOLDS.items() if texts}
    found = squad_scores(data_of(answered), PREDICTIONS)
    # There "." and "a" match, and still have an F1 of 0.
    assert {name: found[name] for name in RECORDED_1_1} == RECORDED_1_1


def test_the_best_thresholds_are_those_of_the_official_script():
    found = squad_scores(data_of(GOLDS), PREDICTIONS, ODDS)
    assert {name: found[name] for name in RECORDED_THRESHOLDS} == RECORDED_THRESHOLDS


def test_a_threshold_silences_what_has_larger_odds():
    found = squad_scores(data_of(GOLDS), PREDICTIONS, ODDS, null_threshold=2)
    assert found["NoAns_exact"] == 100.0
    assert found["HasAns_exact"] == squad_scores(data_of(GOLDS), PREDICTIONS)["HasAns_exact"]


def test_a_question_without_a_prediction_counts_as_wrong():
    with pytest.warns(UserWarning, match="2 of 3 questions have no prediction.*b, c"):
        found = squad_scores(data_of({"a": ["x"], "b": ["y"], "c": ["z"]}), {"a": "x"})
    assert found["exact"] == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], {"a": "x"}), "no questions"),
        (({"data": []}, {"a": "x"}), "must be the list"),
        ((data_of({"a": ["x"]}), {}), "none of its 1 questions is among the 0"),
        ((data_of({"a": ["x"]}), {"a": None}), "must be texts.*got None for a"),
        ((data_of({"a": ["x"]}), {"a": "x"}, {}), "null_odds must hold every question"),
        ((data_of({"a": ["x"]}), {"a": "x"}, None, 0.0), "needs null_odds"),
    ],
)
def test_what_cannot_be_scored_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        squad_scores(*arguments)


def read(archive, name):
    return json.load(archive.extractfile(f"squad/{name}.json"))


def test_published_predictions_have_their_official_scores(shared):
    with tarfile.open(shared / "data/squad.tar.xz") as archive:
        data = read(archive, "official-dev-v2.0")["data"]
        predictions = read(archive, "predictions/v2.0_nlnet_single")
    found = squad_scores(data, predictions)
    assert found["exact"] == pytest.approx(75.8275, abs=5e-5)
    assert found["f1"] == pytest.approx(78.7778, abs=5e-5)
    assert (found["total"], found["HasAns_total"], found["NoAns_total"]) == (11873, 5928, 5945)


def test_published_predictions_of_1_1_have_their_official_scores(shared):
    with tarfile.open(shared / "data/squad.tar.xz") as archive:
        data = read(archive, "official-dev-v1.1")["data"]
        predictions = read(archive, "predictions/v1.1_logreg")
    with pytest.warns(UserWarning, match="13 of 10570"):
        found = squad_scores(data, predictions)
    # From evaluate-v1.1.py, which gives questions without a prediction 0 as well.
    assert (found["exact"], found["f1"]) == (40.14191106906339, 50.98153647324461)
