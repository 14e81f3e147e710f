"""Fine-tuning on any task (paper §4.2, Table 14), into a run directory: the one loop of all."""

import time
from pathlib import Path

from albert_tf.training.dev_evaluation import DevEvaluation, is_better
from albert_tf.training.fields import as_values
from albert_tf.training.model_copies import copy_of
from albert_tf.training.optimizer import make_optimizer
from albert_tf.training.preparation import Preparation, prepare
from albert_tf.training.pretraining.strategies import open_strategy
from albert_tf.training.run_directory import RunDirectory
from albert_tf.training.run_files import MODEL
from albert_tf.training.settings import FineTuneSettings

DEV_ANSWERS = "dev"


def fine_tune(settings: FineTuneSettings, show=True) -> dict:
    """Trains, keeps the weights that score best on dev, and writes the run directory.

    Everything is read and checked before the directory is made. It then holds, beside what
    `RunDirectory` writes, the model as a preset in `model/` and its answers to the dev rows in
    `dev/`; neither if no epoch ended with a usable score. With several `seeds` see
    `seeds.fine_tune_seeds`.

    Args:
        settings: `FineTuneSettings`; `seeds` is not read.
        show: whether to draw a progress bar and the scores of each epoch, on stderr.

    Returns:
        The summary: what `Preparation.describe` tells, and `epochs_done`, `best_epoch`,
        `best_step`, `metrics` (names of the scores, the first one picks), `dev` (name -> score of
        the best evaluation, or None), the same under the names of further parts, `baselines` (way
        -> scores that take no model), `baseline` (the best of them under the first metric),
        `seconds`, `warnings` (a list of sentences).

    Raises:
        FileExistsError: `settings.out` exists.
        FileNotFoundError: a file that the settings name is missing.
        ValueError: data, model and settings do not fit each other.
    """
    strategy = open_strategy(settings.strategy)
    with strategy.scope():
        preparation = prepare(settings)
    job, described = preparation.job, preparation.describe()
    run = RunDirectory(settings.out, as_values(preparation.settings), settings.seed)
    started = time.monotonic()
    evaluation = DevEvaluation(preparation, run, show=show)
    _train(preparation, strategy, evaluation)
    further = {} if evaluation.best_weights is None else _save_best(preparation, evaluation)
    baselines = job.baselines(preparation.train, preparation.dev, preparation.model)
    baseline = best_baseline(job, baselines, evaluation.leader)
    summary = described | {
        "epochs_done": -(-evaluation.steps // preparation.steps_per_epoch),
        "best_epoch": evaluation.best_epoch,
        "best_step": evaluation.best_step,
        "metrics": list(evaluation.best_scores or ()),
        "dev": evaluation.best_scores,
        **further,
        "baselines": baselines,
        "baseline": baseline,
        "seconds": round(time.monotonic() - started, 1),
        "warnings": warnings_of(job, evaluation, baseline),
    }
    compared = [job.compare(row) for row in evaluation.best_rows or ()]
    run.finish(summary, [one for one in compared if one is not None])
    return summary


def _train(preparation: Preparation, strategy, evaluation):
    with strategy.scope():
        model = preparation.model
        # Batches differ in length, and XLA would compile for each length anew.
        model.compile(
            make_optimizer(preparation),
            preparation.job.loss(model),
            metrics=[],
            jit_compile=False,
        )
    model.fit(
        preparation.batches(),
        epochs=preparation.epochs,
        steps_per_epoch=preparation.steps_per_epoch * preparation.settings.accumulate,
        callbacks=[evaluation],
        verbose=0,
    )


def _save_best(preparation: Preparation, evaluation) -> dict:
    """Writes the best model and its answers; returns its scores on further parts of the data."""
    job, out, found = preparation.job, Path(preparation.settings.out), {}
    preparation.model.set_weights(evaluation.best_weights)
    best = copy_of(preparation.model)
    job.finish(best, evaluation.best_scores)
    best.save_to_preset(out / MODEL)
    _write_answers(job, evaluation.best_rows, preparation.dev, out / DEV_ANSWERS)
    for name, examples in preparation.also.items():
        found[name], rows = job.evaluate(best, examples)
        _write_answers(job, rows, examples, out / name)
    return found


def _write_answers(job, rows, examples, folder):
    if rows:
        folder.mkdir()
        job.write(rows, folder, examples)


def best_baseline(job, baselines, leader) -> float | None:
    """The best score under the name `leader` that takes no model; None where there is none."""
    best = None
    for scores in baselines.values():
        if leader in scores and is_better(job, leader, scores[leader], best):
            best = scores[leader]
    return best


def warnings_of(job, evaluation, baseline) -> list[str]:
    """What speaks against a finished run: a broken loss, or nothing learned.

    Fine-tuning of the larger models sometimes fails for a seed (paper §4.2 takes the median of
    five runs); such a run must not pass for a result.

    Args:
        job: of the task.
        evaluation: `DevEvaluation` of the run.
        baseline: from `best_baseline`.
    """
    found = []
    if not evaluation.loss_is_finite:
        found.append(
            f"The training loss stopped being a number at step {evaluation.steps}. "
            "Try a lower learning rate or a longer warm-up."
        )
    if evaluation.best_scores is None:
        found.append("No epoch ended with a usable score, so no model was saved.")
        return found
    leader = evaluation.leader
    score, rows = evaluation.best_scores[leader], evaluation.best_rows
    if len(rows) > 1 and all(row[job.answer_key] == rows[0][job.answer_key] for row in rows):
        found.append(
            "The model gives every dev example the same answer: it has not learned to tell them "
            "apart. Try another learning rate, more epochs or another seed."
        )
    elif baseline is not None and not is_better(job, leader, score, baseline):
        found.append(
            f"The dev {leader} of {score:.4f} is no better than the {baseline:.4f} that takes no "
            "model. Try another learning rate, more epochs or another seed."
        )
    return found
