"""Pictures show themselves and say what they are given; HTML lets no text become markup."""

import numpy as np
import pytest

from albert_tf.config import AlbertConfig
from albert_tf.pictures import charts
from albert_tf.pictures.html import Html, show_answer, show_spans, show_table
from albert_tf.pictures.rows import show_rows
from albert_tf.pictures.sizes import bert_of, draw_sizes, parameter_parts


def texts_of(picture):
    """All that stands in a picture."""
    return [text.get_text() for text in picture.findobj(lambda one: hasattr(one, "get_text"))]


def test_parts_sum_up_to_the_weights_of_every_published_shape():
    configs = [AlbertConfig.from_preset(name) for name in AlbertConfig.presets()]
    assert all(sum(parameter_parts(c).values()) == c.num_params for c in configs)
    assert all(min(parameter_parts(c).values()) > 0 for c in configs)


def test_what_shares_nothing_with_wide_words_is_bert_base():
    assert bert_of(AlbertConfig.from_preset("base")).num_params == 109_482_240


def test_sizes_are_told_in_millions_and_in_gigabytes_of_training():
    words = texts_of(draw_sizes({"ALBERT-base": AlbertConfig.from_preset("base")}))
    assert {"ALBERT-base", " 11.7", " 0.19", "millions"} <= set(words)


def test_a_figure_shows_itself_as_png():
    picture = charts.draw_bars({"a": 1.0, "b": 2.0}, "Title", "unit", marked=["b"])
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert {"a", "b", "1", "2", "Title", "unit"} <= set(texts_of(picture))


def test_curves_of_a_fit_stand_beside_those_held_out_loss_first():
    history = {"accuracy": [0.5, 0.7], "loss": [2.0, 1.0], "val_loss": [2.1, 1.5]}
    left, right = charts.draw_history(history).axes
    assert left.get_title() == "loss" and right.get_title() == "accuracy"
    held_out = {line.get_label(): line.get_ydata() for line in left.lines}["held out"]
    assert list(held_out) == [2.1, 1.5] and len(right.lines) == 1


def test_measurements_become_a_line_a_run():
    rows = [{"split": "train", "step": s, "loss": 1 / s} for s in (1, 2)]
    rows.append({"split": "held_out", "step": 2, "loss": 0.9})
    [axes] = charts.draw_curves({"one": rows, "two": rows}, {"loss": "Loss"}, "train").axes
    assert [line.get_label() for line in axes.lines] == ["one", "two"]
    assert axes.lines[0].get_xdata().tolist() == [1, 2]


def test_curves_stand_three_a_line_and_leave_out_what_is_no_number():
    rows = [{"split": "dev", "step": 1, **dict.fromkeys("abcd", 1.0)}]
    rows.append({"split": "dev", "step": 2, "a": 2.0, "b": None})
    panels = charts.draw_curves({"": rows}, {name: name for name in "abcd"}).axes
    assert [axes.axison for axes in panels] == [True] * 4 + [False] * 2
    assert [axes.lines[0].get_xdata().tolist() for axes in panels[:2]] == [[1, 2], [1]]
    assert panels[0].lines[0].get_label() == "dev"


def test_confusion_counts_rows_by_their_true_class():
    picture = charts.draw_confusion([0, 0, 1], [0, 1, 1], ["cats", "dogs"])
    counts = [text.get_text() for text in picture.axes[0].texts]
    assert counts == ["1", "1", "0", "1"]


def test_confusion_of_many_classes_has_no_numbers():
    names = list(map(str, range(charts.WITH_NUMBERS + 1)))
    assert not charts.draw_confusion([0], [0], names).axes[0].texts


def test_latencies_tell_median_and_the_slowest_twentieth():
    picture = charts.draw_latencies({"gRPC": np.arange(1, 102) / 1000}, "Calls")
    assert "51 ms, 95 % in 96" in texts_of(picture)


@pytest.mark.parametrize("draw", [charts.draw_trade, charts.draw_matrix])
def test_names_stand_beside_what_they_name(draw):
    given = {"small": (1.0, 2.0)} if draw is charts.draw_trade else (np.eye(1), ["small"])
    args = (given, "T", "x", "y") if draw is charts.draw_trade else (*given, "T")
    assert any("small" in word for word in texts_of(draw(*args)))


def test_marked_texts_are_escaped_and_marked_where_they_say():
    spans = [{"start": 4, "end": 9, "label": "place"}]
    html = show_spans("in <Rome> & out", [{"start": 3, "end": 9, "label": "place"}])
    assert isinstance(html, Html) and html._repr_html_() == str(html)
    assert "&lt;Rome&gt;" in html and "<Rome>" not in html and "&amp; out" in html
    assert "place</small>" in show_spans("in, Paris", spans)


def test_a_wrong_answer_is_told_with_the_expected_one():
    answer = {"answer": "1815", "start": 3, "end": 7}
    assert "expected" not in show_answer("When?", "In 1815.", answer, "1815")
    assert "(expected: 1816)" in show_answer("When?", "In 1815.", answer, "1816")
    assert "no answer" in show_answer("When?", "Never.", {"answer": "", "start": 0, "end": 0})


def test_a_table_has_a_head_and_short_numbers():
    table = show_table([{"text": "a<b", "share": 0.12345}])
    assert "a&lt;b" in table and "0.123" in table and "share</th>" in table


def test_rows_of_pretraining_show_masks_and_order(tiny_tokenizer):
    letters = [piece for piece in tiny_tokenizer.get_vocabulary() if piece.isalpha()]
    ids = [tiny_tokenizer.token_to_id(token) for token in ("[CLS]", "[MASK]", "[SEP]")]
    batch = {
        "token_ids": [ids],
        "padding_mask": [[1, 1, 1]],
        "mask_positions": [[1, 0]],
        "mask_ids": [[tiny_tokenizer.token_to_id(letters[0]), 0]],
        "mask_weights": [[1.0, 0.0]],
        "sentence_order_label": [1],
    }
    html = show_rows({name: np.array(values) for name, values in batch.items()}, tiny_tokenizer)
    assert "swapped:" in html and f"[MASK] <small>{letters[0]}</small>" in html
