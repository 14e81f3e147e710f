"""The loop on a model of one number, which is quick."""

import contextlib
import io
import itertools
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from albert_tf.training.pretraining import loop as loop_room
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.loop import Loop, in_words
from albert_tf.training.pretraining.stopping import stop_requests
from albert_tf.training.pretraining.throughput import RowCost
from albert_tf.training.run_directory import Rows


class Adding:
    """A backend whose only weight is the sum of the batches so far; batch n is n."""

    is_chief, num_workers = True, 1

    def __init__(self, scores=(), hook=None):
        self.weight, self.scores, self.hook = 0.0, iter(scores), hook
        self.steps = self

    def train(self, batch):
        self.weight += batch
        if self.hook:
            self.hook(batch)
        return {"masked_lm": (self.weight, 1.0, 2.0)}

    def score(self, batch):
        return {"masked_lm": (1.0, next(self.scores), 1.0)}

    def values(self):
        return {"weight": np.array(self.weight)}

    def assign(self, values):
        self.weight = float(values["weight"])

    def train_batches(self, first_step):
        return itertools.count(first_step + 1)

    def held_out_batches(self):
        return [None]

    def sum_of_workers(self, number):
        return number

    def averaged(self):
        return contextlib.nullcontext()


def new_loop(tmp_path, backend, **changes):
    settings = {"steps": 6, "batch_size": 2, "log_every": 2, "eval_every": 2, "save_every": 3}
    settings |= {"best_by": "masked_lm_accuracy"} | changes
    return Loop(
        SimpleNamespace(**settings),
        backend,
        Rows(),
        Checkpoints(tmp_path / "checkpoints", keep=1),
        row_cost=RowCost(10, 1000),
        matrix_peak=1e9,
        has_held_out=True,
        show=False,
    )


def test_the_best_and_the_newest_checkpoint_are_there_at_the_end(tmp_path):
    loop = new_loop(tmp_path, Adding([0.2, 0.9, 0.5]))
    assert loop.train(0, []) == 6
    assert loop.checkpoints.steps() == [4, 6]
    assert loop.checkpoints.best() == {"step": 4, "score": 0.9}
    steps = [(row["split"], row["step"]) for row in loop.run.rows]
    assert steps == [(split, step) for step in (2, 4, 6) for split in ("train", "held_out")]


def test_of_losses_the_lowest_is_the_best(tmp_path):
    loop = new_loop(tmp_path, Adding([0.2, 0.9, 0.5]), best_by="masked_lm_loss")
    loop.train(0, [])
    assert loop.checkpoints.best() == {"step": 2, "score": 1.0}


def test_of_scores_that_are_all_nothing_the_first_is_the_best(tmp_path):
    loop = new_loop(tmp_path, Adding([0.0, 0.0, 0.0]))
    loop.train(0, [])
    assert loop.checkpoints.best() == {"step": 2, "score": 0.0}


def test_a_sum_goes_on_over_a_break(tmp_path):
    whole = new_loop(tmp_path / "whole", Adding([0.1] * 3), log_every=4)
    whole.train(0, [])
    first = new_loop(tmp_path / "parts", Adding([0.1] * 3), log_every=4, steps=3)
    first.train(0, [1])  # a request before the first update: nothing is done
    assert first.checkpoints.steps() == []
    requests = []
    stopper = Adding([0.1], lambda batch: requests.extend([1] * (batch == 3)))
    stopped = new_loop(tmp_path / "parts", stopper, log_every=4)
    assert stopped.train(0, requests) == 3
    second = new_loop(tmp_path / "parts", Adding([0.1] * 3), log_every=4)
    second.go_on_from(3)
    second.train(3, [])
    losses = [[r["loss"] for r in x.run.rows if r["split"] == "train"] for x in (whole, second)]
    assert losses[0] == losses[1]


def test_a_signal_ends_the_run_after_its_update_with_a_checkpoint(tmp_path):
    def hook(batch):
        if batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    loop = new_loop(tmp_path, Adding([0.1] * 3, hook))
    with stop_requests() as requests:
        assert loop.train(0, requests) == 2
    assert requests == [signal.SIGTERM]
    assert loop.checkpoints.steps() == [2]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_broken_loss_leaves_the_last_good_checkpoint(tmp_path):
    backend = Adding([0.1] * 3)
    backend.hook = lambda batch: setattr(backend, "weight", np.nan) if batch == 5 else None
    loop = new_loop(tmp_path, backend, save_every=1, log_every=6)
    with pytest.raises(ArithmeticError, match="loss stopped being a number by step 5 of 6"):
        loop.train(0, [])
    assert loop.checkpoints.steps()[-1] == 4


def test_the_curves_are_drawn_while_the_run_goes_on(tmp_path, monkeypatch):
    loop, drawn = new_loop(tmp_path, Adding([0.1] * 3)), []
    monkeypatch.setattr(loop.run, "draw", lambda: drawn.append(loop.run.rows[-1]["step"]))
    loop.train(0, [])
    assert drawn == []  # within a minute
    monkeypatch.setattr(loop_room, "SECONDS_BETWEEN_PICTURES", 0)
    again = new_loop(tmp_path / "again", Adding([0.1] * 3))
    monkeypatch.setattr(again.run, "draw", lambda: drawn.append(again.run.rows[-1]["step"]))
    again.train(0, [])
    assert drawn == [2, 6]  # with the checkpoints of the updates 3 and 6


def test_workers_beside_the_chief_write_nothing(tmp_path):
    backend = Adding([0.1] * 3)
    backend.is_chief = False
    loop = new_loop(tmp_path, backend)
    assert loop.train(0, []) == 6
    assert list(tmp_path.iterdir()) == []
    assert len(loop.run.rows) == 6


def test_speed_leaves_out_the_first_update_and_the_scores(tmp_path):
    loop = new_loop(tmp_path, Adding([0.1] * 6), log_every=1, eval_every=6)
    loop.train(0, [])
    rows = [row for row in loop.run.rows if row["split"] == "train"]
    assert "tokens_per_second" not in rows[0]
    assert rows[1]["tokens_per_second"] / rows[1]["share_of_matrix_peak"] == pytest.approx(1e7)


@pytest.mark.parametrize("width", [80, 100])
def test_the_progress_bar_fits_the_screen(tmp_path, width):
    loop = new_loop(tmp_path, Adding([0.1] * 3))
    console = Console(width=width, force_terminal=True, record=True, file=io.StringIO())
    loop.train(0, [])
    values = {"masked_lm_accuracy": 0.4567, "sentence_order_accuracy": 0.8765}
    description = in_words(values | {"tokens_per_second": 12345.0})
    loop.progress.update(0, total=125_000, completed=124_999, description=description)
    console.print(loop.progress.get_renderable())
    lines = console.export_text().rstrip("\n").splitlines()
    assert len(lines) == 1 and len(lines[0]) <= width
    assert "124999/125000" in lines[0] and "12,345 tokens/s" in lines[0]
