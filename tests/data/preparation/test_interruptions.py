"""What a killed or failed preparation leaves, and how it goes on."""

import contextlib
import errno
import fcntl
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sentencepiece

from albert_tf.data.preparation import corpus, plan, run, shards, spills, workers
from albert_tf.data.preparation.run import prepare
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.data.preparation.staged import StagedPreparation


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def many_tasks(monkeypatch):
    monkeypatch.setattr(corpus, "SMALLEST_TASK", 1)
    monkeypatch.setattr(corpus, "LARGEST_TASK", 1)


def test_killed_before_any_file_is_named_it_goes_on_to_the_same_bytes(
    prepare_books, digests, tmp_path, many_tasks, monkeypatch
):
    settings = {"echoes": 0.5, "sequence_length": 40}
    expected = digests(prepare_books("whole", **settings))
    replace, killed_runs = os.replace, 0
    for _ in range(100):
        left = [2]  # files that this run may still name

        def dying_replace(source, target, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            replace(source, target)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", dying_replace)
            try:
                prepare_books("killed", **settings)
                break
            except Killed:
                killed_runs += 1
        assert not (tmp_path / "killed").exists()
        partial = tmp_path / "killed.partial"
        assert all(re.fullmatch(r"[^.].*", path.name) for path in partial.rglob("*"))
    # 6 tasks, 3 shards with an entry each, the plan: 13 files, two a run. The seventh run comes to
    # the vocabulary; the eighth writes it again, and the manifest.
    assert killed_runs == 7
    assert digests(tmp_path / "killed") == expected
    assert not (tmp_path / "killed.partial").exists()


def test_a_half_written_file_of_a_killed_run_is_removed(prepare_books, digests, tmp_path):
    expected = digests(prepare_books("whole"))
    for name in ("spills", "records", "entries"):
        (tmp_path / "killed.partial" / name).mkdir(parents=True)
        (tmp_path / "killed.partial" / name / ".0123.half").write_text("half")
    assert digests(prepare_books("killed")) == expected


@pytest.mark.parametrize(
    "step", [(StagedPreparation, "discard"), (shutil, "rmtree")], ids=["named", "half removed"]
)
def test_what_a_run_left_that_was_killed_at_its_end_is_not_taken_for_records(
    prepare_books, digests, tmp_path, monkeypatch, step
):
    def dying_step(*args):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(*step, dying_step)
        prepare_books("out")
    expected = digests(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")  # by someone who thinks it is half-written
    assert digests(prepare_books("out")) == expected
    assert len(expected) == 5 and not (tmp_path / "out.partial").exists()


@pytest.fixture
def stopped(prepare_books, tmp_path, monkeypatch):
    """A run that was killed after its first spill."""

    def dying_check(*args):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(run, "check_shards", dying_check)
        prepare_books("out")
    return tmp_path / "out.partial"


@pytest.mark.parametrize(
    ("setting", "named"),
    [({"seed": 7}, "seed was 0 and is 7"), ({"echoes": 0.2}, "echoes was 0.0 and is 0.2")],
)
def test_other_settings_may_not_go_on(prepare_books, stopped, setting, named):
    with pytest.raises(ValueError, match=f"only as it was begun: .*{named}"):
        prepare_books("out", **setting)
    assert stopped.is_dir() and prepare_books("out").is_dir()


def test_other_text_may_not_go_on(prepare_books, stopped, tmp_path):
    (tmp_path / "x.md").write_text("# A\n\nThe cat sat.\n")
    with pytest.raises(ValueError, match="texts was '6 files, .*and is '1 files"):
        prepare_books("out", texts=[tmp_path / "x.md"], held_out=0)


@pytest.fixture
def notes(tmp_path):
    """One document in a file."""
    path = tmp_path / "notes.txt"
    path.write_text("The cat sat. A list of numbers! Plot the array? " * 20)
    return {"texts": [path], "held_out": 0}


def test_a_run_that_failed_before_it_finished_anything_is_in_nobodys_way(
    prepare_books, digests, notes, tmp_path
):
    with pytest.raises(ValueError, match="not a line of JSON"):
        prepare_books("out", format="jsonl", **notes)
    assert (tmp_path / "out.partial" / "plan.json").is_file()
    assert digests(prepare_books("out", **notes)) == digests(prepare_books("whole", **notes))


def test_two_processes_may_not_write_one_output(prepare_books, stopped):
    with (stopped / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="Another process is preparing"):
            prepare_books("out")
    assert prepare_books("out").is_dir()


def test_a_full_disk_says_what_to_do_and_loses_nothing(
    prepare_books, digests, tmp_path, many_tasks, monkeypatch
):
    expected = digests(prepare_books("whole"))
    room = [3]

    def write_on_full_disk(path, *args):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_spill(path, *args)

    write_spill = workers.write_spill
    with monkeypatch.context() as patched:
        patched.setattr(workers, "write_spill", write_on_full_disk)
        with pytest.raises(OSError, match=r"disk is full: .*out\.partial .* same command again"):
            prepare_books("out")
    assert not (tmp_path / "out").exists()
    assert len(list((tmp_path / "out.partial" / "spills").iterdir())) == 3
    assert digests(prepare_books("out")) == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
@pytest.mark.parametrize("room", [spills, shards], ids=["spill", "shard"])
def test_what_the_system_says_of_a_full_disk_is_understood(prepare_books, monkeypatch, room):
    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk is full"):
        full = contextlib.nullcontext(Path("/dev/full"))
        patched.setattr(room, "new_file", lambda path, overwrite: full)
        prepare_books("out")
    assert prepare_books("out").is_dir()


def test_an_existing_output_is_never_touched(prepare_books, digests, tmp_path):
    before = digests(prepare_books("out"))
    with pytest.raises(FileExistsError, match="out does. Choose another name"):
        prepare_books("out", seed=9)
    assert digests(tmp_path / "out") == before


def test_shards_without_rows_are_refused_and_leave_nothing(prepare_books, tmp_path):
    with pytest.raises(ValueError, match=r"Every shard needs rows: .* Use --shards \d+ or fewer"):
        prepare_books("out", shards=500)
    assert not list(tmp_path.glob("out*"))


def test_text_without_pairs_is_refused(prepare_books, tmp_path):
    (tmp_path / "x.md").write_text("# A\n\n\x00\n")
    with pytest.raises(ValueError, match="gives 0 rows .* Give more text"):
        prepare_books("out", texts=[tmp_path / "x.md"], held_out=0)


def test_sentence_order_needs_two_sentences_in_a_document(prepare_books, tmp_path):
    lines = "\n".join(f'{{"text": "The cat sat with {n} dogs"}}' for n in range(9))
    (tmp_path / "x.jsonl").write_text(lines)
    with pytest.raises(ValueError, match=r"0 rows .* None of its 9 documents .*objective none"):
        prepare_books("out", texts=[tmp_path / "x.jsonl"], held_out=0)
    assert not list(tmp_path.glob("out*"))


def test_echoes_that_no_row_could_have_are_refused(prepare_books, tmp_path):
    line = '{"text": "The cat sat on the mat. A list of numbers was plotted."}\n'
    (tmp_path / "x.jsonl").write_text(line * 40)
    settings = {"texts": [tmp_path / "x.jsonl"], "held_out": 0, "sequence_length": 64}
    with pytest.raises(ValueError, match="No row got an echo: 40 documents .* --echoes 0"):
        prepare_books("out", echoes=1.0, **settings)
    assert not list(tmp_path.glob("out*")) and prepare_books("out", **settings).is_dir()


def test_next_sentences_need_a_second_document(prepare_books, notes, tmp_path):
    with pytest.raises(
        ValueError, match=r"split train has 1 that never stand beside .*--objective"
    ):
        prepare_books("out", objective="nsp", **notes)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("held_out", [1e-9, 0.9999])
def test_a_share_that_splits_no_books_is_refused_with_one_that_does(prepare_books, held_out):
    with pytest.raises(ValueError, match="must leave files on both sides") as error:
        prepare_books("out", held_out=held_out)
    share = float(re.search(r"share (?:above|of at most) (0\.\d+)", str(error.value))[1])
    assert prepare_books("out", held_out=share + (1e-4 if held_out < 0.5 else -1e-4)).is_dir()


def test_a_vocabulary_without_special_pieces_is_refused(books, tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat sat"] * 9), model_writer=model, vocab_size=12
    )
    (tmp_path / "v.model").write_bytes(model.getvalue())
    with pytest.raises(ValueError, match=r"lacks \[CLS\]"):
        prepare([books], tmp_path / "v.model", tmp_path / "out")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"shards": 0}, "shards must be 1 or more: got 0"),
        ({"sequence_length": 4}, "sequence_length must be 5 or more"),
        ({"held_out": 1.0}, "held_out must be a share"),
        ({"objective": "mlm"}, "objective must be one of sop, nsp, none"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"mask_fraction": 0.0}, "mask_fraction must be"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        PreparationSettings(**setting)


def test_a_worker_that_is_killed_is_reported(tiny_proto):
    with (
        workers.Workers(2, PreparationSettings(), tiny_proto) as processes,
        pytest.raises(ChildProcessError, match="worker process was killed, .* fewer --workers"),
    ):
        list(processes.run(os._exit, {"a task": (9,)}))


def test_plans_of_equal_texts_are_equal(books, tiny_proto):
    files = corpus.find_files([books])
    settings = PreparationSettings()
    assert plan.plan_of(files, tiny_proto, settings) == plan.plan_of(files, tiny_proto, settings)
    touched = [files[0]._replace(modified=1), *files[1:]]
    assert plan.plan_of(touched, tiny_proto, settings) != plan.plan_of(files, tiny_proto, settings)
    json.dumps(plan.plan_of(files, tiny_proto, settings))


@pytest.mark.slow
def test_kill_9_leaves_no_process_and_the_same_command_goes_on(vocabulary, tmp_path, digests):
    sentence = "The cat sat on the mat, and a list of numbers was plotted. "
    for number in range(24):
        (tmp_path / f"{number}.txt").write_text((sentence * 9 + "\n\n") * 1300)
    command = [sys.executable, "-m", "albert_tf.cli", "prepare", "--texts", str(tmp_path)]
    command += ["--vocabulary", str(vocabulary), "--workers", "2", "--shards", "4"]
    command += ["--held-out", "0.1"]
    process = subprocess.Popen([*command, "--out", str(tmp_path / "a")], start_new_session=True)
    left = tmp_path / "a.partial" / "spills"
    while not (left.is_dir() and any(left.glob("task-*"))):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(100):
        if not any(_group_of(pid) == process.pid for pid in os.listdir("/proc") if pid.isdigit()):
            break
        time.sleep(0.1)
    else:
        pytest.fail("workers outlived the killed process")
    assert not (tmp_path / "a").exists()
    assert 0 < len(list(left.glob("task-*"))) < 5  # files are dealt to tasks of 4 MB
    subprocess.run([*command, "--out", str(tmp_path / "a")], check=True)
    subprocess.run([*command, "--out", str(tmp_path / "b")], check=True)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def _group_of(pid):
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return None
