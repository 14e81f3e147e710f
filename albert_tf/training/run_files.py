"""Where a finished run keeps what others read of it."""

import json
from pathlib import Path

MODEL, SETTINGS, SUMMARY = "model", "settings.json", "summary.json"
MEASUREMENTS = "metrics.jsonl"


def model_folder(run) -> Path:
    """The model of a run, of several seeds the best one; any other path as it is."""
    run = best_run(run)
    return run / MODEL if (run / MODEL).is_dir() else run


def best_run(run) -> Path:
    """The directory of the best seed, where a run had several; else the run itself."""
    best = _read(Path(run) / SUMMARY).get("best_run")
    return Path(run) / best if best else Path(run)


def reads_pairs(run) -> bool:
    """Whether a run was trained on pairs of texts; False where nothing tells."""
    return bool(_read(best_run(run) / SUMMARY).get("pairs"))


def run_settings(run) -> dict:
    """The saved settings of a run; empty for a bare preset."""
    return _read(best_run(run) / SETTINGS)


def rows_of(run, split=None) -> list[dict]:
    """What a run measured, a dictionary a measurement with its `split` and `step`.

    Args:
        run: the directory of a run.
        split: `train`, `held_out`, ...; None for all.
    """
    lines = (Path(run) / MEASUREMENTS).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if split in (None, row["split"])]


def _read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
