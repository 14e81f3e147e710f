"""The supervisor with workers that only pretend to train."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from albert_tf.training.pretraining import supervisor
from albert_tf.training.pretraining.settings import PretrainSettings

# Each start of a worker is noted in a file; what it does there is the test's.
WORKER = """
import json, os, signal, sys, time
from pathlib import Path

settings = json.loads(Path(sys.argv[1]).read_text())
config = json.loads(os.environ["TF_CONFIG"])
index, addresses = config["task"]["index"], config["cluster"]["worker"]
out = Path(settings["out"])
start = len(list(out.glob(f"{index}-*")))
(out / f"{index}-{start}").write_text(json.dumps([addresses, settings["workers"]]))
"""


@pytest.fixture
def supervise(tmp_path, monkeypatch):
    """A function that supervises two workers with the given code."""
    monkeypatch.setattr(supervisor, "_LAST_WORDS", 0.2)

    def run(code, **changes):
        monkeypatch.setattr(supervisor, "COMMAND", (sys.executable, "-c", WORKER + code))
        chosen = {"strategy": "multiworker", "workers": 2} | changes
        settings = PretrainSettings(records=tmp_path, out=tmp_path, config="base", **chosen)
        return supervisor.supervise(settings)

    return run


def starts(path):
    return sorted(file.name for file in path.iterdir())


def test_workers_learn_of_each_other_and_keep_the_settings(supervise, tmp_path):
    assert supervise("") == 0
    told = [json.loads((tmp_path / name).read_text()) for name in ("0-0", "1-0")]
    assert told[0] == told[1] and told[0][1] == 2
    assert len(set(told[0][0])) == 2


def test_all_start_again_when_one_dies(supervise, tmp_path, capfd):
    code = """
if start == 0 and index == 1:
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(30 if start == 0 else 0)
"""
    assert supervise(code, restarts=3) == 0
    assert starts(tmp_path) == ["0-0", "0-1", "1-0", "1-1"]
    assert "worker 1 was ended by SIGKILL" in capfd.readouterr().err


def test_one_that_dies_for_ever_is_given_up(supervise, tmp_path, capfd):
    assert supervise("print('no device', file=sys.stderr); sys.exit(index * 9)", restarts=1) == 3
    assert starts(tmp_path) == ["0-0", "0-1", "1-0", "1-1"]
    error = capfd.readouterr().err
    assert "worker 1 ended with code 9" in error
    assert "last words of worker 1:\nno device" in error


def test_bad_input_is_not_tried_again(supervise, tmp_path):
    assert supervise("sys.exit(2)", restarts=3) == 2
    assert starts(tmp_path) == ["0-0", "1-0"]


def test_bad_input_of_one_is_told_though_the_other_lost_it(supervise, tmp_path):
    assert supervise("sys.exit(2 + index)", restarts=3) == 2
    assert starts(tmp_path) == ["0-0", "1-0"]


def test_a_signal_is_handed_on_and_ends_all(supervise, tmp_path):
    def stop():
        while len(starts(tmp_path)) < 2:
            time.sleep(0.02)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    code = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
time.sleep(30)
"""
    assert supervise(code, restarts=3) == 1
    assert starts(tmp_path) == ["0-0", "1-0"]
