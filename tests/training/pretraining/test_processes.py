"""Real processes that are killed, at any moment, and what is left of their runs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from albert_tf.training.fields import as_values
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.run import pretrain
from albert_tf.training.pretraining.supervisor import free_ports

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PATIENCE = 300  # seconds; a process takes some 20 to start on a busy machine
LONG = {"steps": 300, "save_every": 5, "log_every": 7, "eval_every": 90}
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
EVERYTHING = {
    "micro_batches": 2,
    "recompute": True,
    "ema": 0.8,
    "depth_ratio": 0.5,
    "layer_decay": 0.7,
    "freeze": ("token_type_embeddings",),
}
TWO = {"strategy": "multiworker", "workers": 2}


@pytest.fixture
def start(settings, tmp_path):
    """A function that starts `albert-tf pretrain`; its processes end with the test."""
    started = []

    def run(out, environment=None, **changes):
        recipe = tmp_path / f"{len(started)}.json"
        recipe.write_text(json.dumps(as_values(settings(out, **LONG | changes))))
        command = [sys.executable, "-m", "albert_tf.cli", "pretrain", "--recipe", str(recipe)]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def run_here(settings, tmp_path_factory):
    """A function that makes a run on one device that nothing breaks."""

    def run(**changes):
        out = tmp_path_factory.mktemp("whole") / "run"
        pretrain(settings(out, **LONG | changes), show=False)
        return out

    return run


def wait_for(condition, process):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.02)


def wait_for_step(run, step, process):
    """Waits until there is a checkpoint of this step, or of a later one."""
    checkpoints = Checkpoints(run / "checkpoints")
    wait_for(lambda: (checkpoints.steps() or [0])[-1] >= step, process)


def last_step(run):
    return (Checkpoints(run / "checkpoints").steps() or [0])[-1]


def end(process):
    """The exit code and all output."""
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def children_of(process):
    """Ids of the processes that this one started, in order."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in listing.split()]


def test_a_process_killed_at_random_moments_ends_with_the_same_run(
    start, settings, run_here, tmp_path, assert_same_run
):
    run, chance = tmp_path / "run", random.Random()
    everything = EVERYTHING | {"config": settings(run).config | DROPOUT}
    for kill in range(1, 5):
        process = start(run, **everything)
        wait_for_step(run, last_step(run) + 1, process)
        time.sleep(chance.random() * 0.5)
        assert process.poll() is None and last_step(run) < 300, f"too late for kill {kill}"
        process.kill()
        process.wait()
    code, output = end(start(run, **everything))
    assert code == 0, output
    assert len((run / "resumed.jsonl").read_text().splitlines()) == 4
    assert_same_run(run, run_here(**everything))


def test_sigterm_ends_with_a_checkpoint_and_the_same_run_goes_on(
    start, run_here, tmp_path, assert_same_run
):
    run = tmp_path / "run"
    process = start(run)
    wait_for_step(run, 5, process)
    process.send_signal(signal.SIGTERM)
    code, output = end(process)
    assert code == 1
    assert f"Stopped. The same command goes on from the last checkpoint in {run}." in output
    assert 5 <= last_step(run) < 300 and not (run / "summary.json").exists()
    assert end(start(run))[0] == 0
    # Where it stopped there was one checkpoint more, which is not kept.
    assert_same_run(run, run_here())


def test_a_worker_that_is_alone_stops_in_seconds(start, tmp_path):
    run = tmp_path / "run"
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    workers = []
    for index in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {"TF_CONFIG": json.dumps(config)}
        workers.append(start(run, environment, strategy="multiworker", steps=5000))
    wait_for_step(run, 5, workers[0])
    workers[1].kill()
    died = time.monotonic()
    code, output = end(workers[0])
    assert time.monotonic() - died < 60
    assert code == 3 and "Another worker is gone" in output, output


def test_two_workers_have_the_weights_of_one_device(start, run_here, tmp_path, assert_close_runs):
    changes = {"clip_norm": 0.1, "ema": 0.8, "steps": 30}
    code, output = end(start(tmp_path / "run", **TWO | changes, micro_batches=2))
    assert code == 0, output
    # Sums in another order, over 30 updates.
    assert_close_runs(tmp_path / "run", run_here(**changes), atol=1e-5)


@pytest.mark.parametrize("victim", [0, 1])
def test_supervised_workers_start_again_with_the_same_result(
    start, tmp_path, assert_same_run, victim
):
    assert end(start(tmp_path / "calm", **TWO))[0] == 0
    supervisor = start(tmp_path / "wild", **TWO, restarts=2)
    wait_for_step(tmp_path / "wild", 20, supervisor)
    os.kill(children_of(supervisor)[victim], signal.SIGKILL)
    code, output = end(supervisor)
    assert code == 0, output
    assert f"worker {victim} was ended by SIGKILL" in output
    assert "all workers start again, 1 of 2 times" in output
    assert_same_run(tmp_path / "wild", tmp_path / "calm")


def test_workers_end_together_when_their_supervisor_is_asked_to(start, tmp_path):
    run = tmp_path / "run"
    supervisor = start(run, **TWO, steps=5000)
    wait_for_step(run, 5, supervisor)
    supervisor.send_signal(signal.SIGTERM)
    code, output = end(supervisor)
    assert code == 1 and "worker 0 stopped, worker 1 stopped" in output, output
    assert "Stopped. The same command goes on" in output


def test_workers_end_when_their_supervisor_is_killed(start, tmp_path):
    run = tmp_path / "run"
    supervisor = start(run, **TWO, steps=5000)
    wait_for_step(run, 5, supervisor)
    workers = children_of(supervisor)
    supervisor.kill()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert last_step(run) < 5000
