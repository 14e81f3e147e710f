"""The directory in which a preparation grows, and from which a killed one goes on."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from albert_tf.data.preparation.manifest import MANIFEST
from albert_tf.staging import new_file

_PLAN = "plan.json"
_FOLDERS = ("spills", "entries", "records")


class StagedPreparation:
    """The files of a preparation that is not finished: `OUT.partial`.

    `plan.json` says what is being made; `spills/` holds one file for each finished task,
    `entries/` the manifest entry of each finished shard, `records/` what becomes `OUT`.

    Args:
        out: the directory to become.
    """

    def __init__(self, out: Path):
        self.out = out
        self.path = out.with_name(out.name + ".partial")
        self.records = self.path / "records"

    @contextlib.contextmanager
    def open(self, plan: dict) -> Iterator[None]:
        """Takes the directory for this process, and checks that it is for the same plan.

        An earlier run that failed before it finished anything leaves nothing to go on from; any
        plan may follow it.

        Args:
            plan: JSON values, all that the bytes depend on.

        Raises:
            ValueError: an earlier run with another plan left finished work here.
            BlockingIOError: another process is at work here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    f"Another process is preparing {self.out} in {self.path}. Wait for it, or "
                    "choose another output."
                ) from error
            for name in _FOLDERS:
                (self.path / name).mkdir(exist_ok=True)
                for left in (self.path / name).glob(".*"):  # half-written by a killed run
                    left.unlink()
            self._compare(plan)
            yield

    def spill(self, task: int) -> Path:
        """Where the spill of a task stands."""
        return self.path / "spills" / f"task-{task:06d}"

    def entry(self, shard: str) -> dict | None:
        """The manifest entry of a finished shard that is still here, or None."""
        path = self.path / "entries" / f"{shard}.json"
        # A run that was killed after it named the records leaves entries without shards.
        if not path.is_file() or not (self.records / shard).is_file():
            return None
        return json.loads(path.read_text(encoding="utf-8"))

    def finish_shard(self, shard: str, entry: dict):
        """Notes that a shard is whole."""
        _write_json(self.path / "entries" / f"{shard}.json", entry)

    def finish(self, manifest: dict, vocabulary):
        """Adds manifest and vocabulary, and gives the records their name; the rest is removed."""
        with new_file(self.records / vocabulary.file_name, overwrite=True) as staged:
            staged.write_bytes(vocabulary.proto)
        with new_file(self.records / MANIFEST, overwrite=True) as staged:
            staged.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        if self.out.is_dir():
            self.out.rmdir()
        os.rename(self.records, self.out)
        self.discard()

    def discard(self):
        """Removes all that was staged, the plan first: without it the rest is nobody's."""
        (self.path / _PLAN).unlink(missing_ok=True)
        shutil.rmtree(self.path)

    def _compare(self, plan):
        path = self.path / _PLAN
        finished = [file for name in _FOLDERS for file in (self.path / name).iterdir()]
        if finished and not path.is_file():  # what a killed `discard` did not get to
            for file in finished:
                file.unlink()
            finished = []
        if not finished:
            _write_json(path, plan)
            return
        begun = json.loads(path.read_text(encoding="utf-8"))
        differing = [
            f"{name} was {begun.get(name)!r:.200} and is {plan.get(name)!r:.200}"
            for name in begun | plan
            if begun.get(name) != plan.get(name)
        ]
        if differing:
            raise ValueError(
                f"A run may go on only as it was begun: in {self.path}, {'; '.join(differing)}. "
                "Give the same command again, remove that directory, or choose another --out."
            )


def _write_json(path, values):
    with new_file(path, overwrite=True) as staged:
        staged.write_text(json.dumps(values), encoding="utf-8")
