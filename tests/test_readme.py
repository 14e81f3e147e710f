"""What the first page says works: its blocks run, and print what it says they print."""

import re
import runpy
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from albert_tf.serving.client import Client

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PYTHON = [body for language, body in BLOCKS if language == "python"]
COMMANDS = [
    line
    for language, body in BLOCKS
    if language == "sh"
    for line in body.splitlines()
    if line.startswith("albert-tf ")
]
WORDS = {
    "good": ["wonderful", "light", "bright", "warm", "clever"],
    "bad": ["dull", "grey", "cold", "slow", "sad"],
}


def test_the_marks_of_our_column_link_to_what_proves_them():
    table = README.partition("| | albert-tf | ")[2].partition("\n\n")[0]
    ours = [line.split(" | ")[1] for line in table.splitlines()[2:]]
    assert len(ours) > 10
    assert [mark for mark in ours if not re.fullmatch(r"\[yes\]\((tests|docs)/[^)]+\)", mark)] == []


@pytest.mark.slow
@pytest.mark.parametrize("body", PYTHON)
def test_python_blocks_print_what_their_comments_say(body, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("block.py").write_text(body, encoding="utf-8")
    runpy.run_path("block.py")
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"^# (.*)$", body, re.MULTILINE)
    assert [line for line in promised if line not in printed] == []


@pytest.fixture
def folder(tmp_path):
    """What the commands take as given: a folder of books and a table of reviews."""
    (tmp_path / "books").mkdir()
    good, bad = WORDS.values()
    for i in range(60):
        lines = (
            f"{good[(i + j) % 5].title()} was the day, and {bad[j % 5]} the night."
            for j in range(40)
        )
        (tmp_path / "books" / f"{i}.txt").write_text("\n".join(lines), encoding="utf-8")
    rows = [f"a {word} story\t{label}\n" for label, words in WORDS.items() for word in words]
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("text\tlabel\n" + "".join(rows * 16))
    return tmp_path


@pytest.mark.slow
def test_the_commands_work_one_after_the_other(folder):
    for line in COMMANDS[:-1]:
        done = subprocess.run(_started(line), cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if " predict " in line:
            assert done.stdout.startswith("good ")
    assert COMMANDS[-1].startswith("albert-tf serve ")
    server = subprocess.Popen(
        [*_started(COMMANDS[-1]), "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.match(r"gRPC on (\S+),", server.stdout.readline())[1]
        with Client(address) as client:
            (answer,) = client.answer("reviews", text=["a wonderful story"])
        assert answer["label"] == "good"
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0


def _started(line):
    return [sys.executable, "-m", "albert_tf.cli", *shlex.split(line)[1:]]
