"""The same fine-tuning from several seeds (paper §4.2: the median of five runs)."""

import dataclasses
import statistics

import keras

from albert_tf.training.dev_evaluation import is_better
from albert_tf.training.fields import as_values
from albert_tf.training.finetune import fine_tune
from albert_tf.training.jobs.table import find_task, options_in
from albert_tf.training.preparation import prepare
from albert_tf.training.run_directory import RunDirectory
from albert_tf.training.settings import FineTuneSettings


def fine_tune_seeds(settings: FineTuneSettings, show=True) -> dict:
    """Runs `fine_tune` with the seeds `seed`, `seed + 1`, ..., each in a directory of its own.

    A run with a warning counts as failed: its loss broke, it gives one answer to everything, or it
    is no better than what takes no model. The median is that of all runs, and beside it stands
    that of those that did not fail.

    Args:
        settings: `FineTuneSettings`; `out` gets a `seed-<n>/` for each run.
        show: as in `fine_tune`.

    Returns:
        The summary: `task`, `seeds`, `metrics`, `dev` (name -> median over all runs; None
        where one has no usable score), `dev_of_good_runs` (the same without the failed runs; None
        if all failed), `runs` (directory ->
        its `dev` scores and whether it `failed`), `best_run` (directory of the best model, or
        None), `baseline`, `pairs` where the task has them, and `warnings`.

    Raises:
        FileExistsError, FileNotFoundError, ValueError: as `fine_tune`.
    """
    seeds = range(settings.seed, settings.seed + settings.seeds)
    runs = [
        dataclasses.replace(settings, out=settings.out / f"seed-{seed}", seed=seed, seeds=1)
        for seed in seeds
    ]
    prepare(runs[0])  # What cannot be is refused before there is a directory.
    record, summaries = RunDirectory(settings.out, as_values(settings), settings.seed), {}
    for one in runs:
        keras.backend.clear_session()
        summaries[one.out.name] = fine_tune(one, show)
    summary = summary_of_runs(settings, summaries)
    for run, found in summary["runs"].items():
        record.log("dev", int(run.partition("-")[2]), **(found["dev"] or {}))
    record.finish(summary)
    return summary


def summary_of_runs(settings, summaries) -> dict:
    """The summary of `fine_tune_seeds` from those of its runs."""
    _, task = find_task(settings.task)
    job, _ = task.job(options_in(settings))
    scored = {run: s["dev"] for run, s in summaries.items() if s["dev"] is not None}
    failed = [run for run, s in summaries.items() if s["warnings"]]
    names = list(next(iter(scored.values()), ()))
    best = None
    for run, scores in scored.items():
        if best is None or is_better(job, names[0], scores[names[0]], scored[best][names[0]]):
            best = run
    first = next(iter(summaries.values()))
    return {
        "task": first["task"],
        "seeds": list(range(settings.seed, settings.seed + settings.seeds)),
        "metrics": names,
        "dev": _medians(scored, names) if len(scored) == len(summaries) else None,
        "dev_of_good_runs": _medians({r: s for r, s in scored.items() if r not in failed}, names),
        "runs": {run: {"dev": s["dev"], "failed": run in failed} for run, s in summaries.items()},
        "best_run": best,
        "baseline": first["baseline"],
        **({"pairs": first["pairs"]} if "pairs" in first else {}),
        "warnings": [f"{run}: {text}" for run, s in summaries.items() for text in s["warnings"]],
    }


def _medians(scored, names):
    if not scored:
        return None
    return {name: statistics.median(scores[name] for scores in scored.values()) for name in names}
