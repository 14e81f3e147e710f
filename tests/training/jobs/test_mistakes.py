"""Wrong answers, the surest first."""

import numpy as np

from albert_tf.data.tables import Examples
from albert_tf.training.jobs.mistakes import surest_mistakes


def test_the_surest_wrong_answer_comes_first_and_right_ones_not_at_all():
    logits = np.array([[0.0, 1.0], [0.0, 9.0], [0.0, 5.0]])
    labels = np.array([0, 1, 0])
    examples = Examples(["a little", "right", "sure"], labels=labels, class_names=("no", "yes"))
    rows = surest_mistakes(logits, examples, max_letters=6)
    assert [row["text"] for row in rows] == ["sure", "a …"]
    assert rows[0]["true"] == "no" and rows[0]["answered"] == "yes"
    assert rows[0]["probability"] > 0.99 > 0.74 > rows[1]["probability"] > 0.73
