import json

import pytest

from albert_tf.cli import main
from albert_tf.training.benchmark import benchmark


@pytest.mark.parametrize("training", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_encoder_has_a_row_and_ours_is_the_measure(tiny_config, training):
    found = benchmark(tiny_config, rows=2, sequence_length=8, training=training, repeats=1)
    assert [row["encoder"] for row in found] == ["albert_tf", "keras_hub"]
    assert found[0]["time_beside_ours"] == 1
    for row in found:
        assert row["tokens_per_second"] == pytest.approx(16 / row["seconds"])
        assert 0 < row["fastest"] <= row["seconds"] and row["share_of_matrix_peak"] > 0


def test_rows_beyond_the_positions_are_refused(tiny_config):
    with pytest.raises(ValueError, match="48 positions: got rows of 64 tokens"):
        benchmark(tiny_config, rows=1, sequence_length=64)


def test_the_verb_writes_what_it_measured_and_where(tiny_config, tmp_path, capsys):
    tiny_config.to_json(tmp_path / "tiny.json")
    shape = ["--rows", "1", "--sequence-length", "8", "--repeats", "1"]
    files = ["--config", str(tmp_path / "tiny.json"), "--out", str(tmp_path / "speed.json")]
    assert main(["benchmark", *files, *shape]) == 0
    assert "keras_hub" in capsys.readouterr().out
    report = json.loads((tmp_path / "speed.json").read_text())
    assert {row["sequence_length"] for row in report["rows"]} == {8}
    assert report["environment"]["versions"]["keras"] and report["policy"]


def test_no_rows_are_refused(capsys):
    assert main(["benchmark", "--rows", "0"]) == 2
    assert "rows must be at least 1" in capsys.readouterr().err
