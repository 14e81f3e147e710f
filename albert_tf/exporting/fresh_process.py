"""Runs an export in a process of its own, which has what a server or a phone has and no more."""

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPTS = Path(__file__).with_name("fresh")
TIMEOUT = 900


class FreshProcessError(RuntimeError):
    """An export does not load or run where nothing of the training code is."""


def ask(script, questions):
    """Starts a script of `fresh/`, asks it, and waits for its report.

    Args:
        script: its name, such as `session`.
        questions: what it reads; anything that can be pickled.

    Returns:
        What it reports.

    Raises:
        FreshProcessError: it failed; the message has the end of what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "questions").write_bytes(pickle.dumps(questions))
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / f"{script}.py"), folder],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        if done.returncode:
            raise FreshProcessError(
                f"An export must load and run in a process of its own: it ended with "
                f"{done.returncode}. The end of what it said:\n{done.stderr[-2000:]}"
            )
        return pickle.loads((Path(folder) / "report").read_bytes())
