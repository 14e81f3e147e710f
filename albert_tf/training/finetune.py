"""Fine-tuning a classifier on labelled texts (paper §4.2, Table 14), into a run directory."""

import time
from pathlib import Path

import numpy as np

from albert_tf.metrics import is_better
from albert_tf.optimizers.defaults import fine_tuning_optimizer
from albert_tf.training.answers import answer_rows, decide, score_logits, write_answers
from albert_tf.training.batches import training_batches
from albert_tf.training.dev_evaluation import DevEvaluation
from albert_tf.training.fields import as_values
from albert_tf.training.preparation import Preparation, prepare
from albert_tf.training.run_directory import RunDirectory
from albert_tf.training.settings import FineTuneSettings

MODEL = "model"
DEV_ANSWERS = "dev_predictions.tsv"


def fine_tune(settings: FineTuneSettings, show=True) -> dict:
    """Trains, keeps the weights that score best on dev, and writes the run directory.

    Everything is read and checked before the directory is made. It then holds, beside what
    `RunDirectory` writes, the model as a preset in `model/` and its answers to the dev rows in
    `dev_predictions.tsv`; neither if no epoch ended with a usable score.

    Args:
        settings: `FineTuneSettings`.
        show: whether to draw a progress bar and the scores of each epoch, on stderr.

    Returns:
        The summary: what `Preparation.describe` tells, and `epochs_done`, `best_epoch`,
        `best_step`, `dev` (name -> score of the best evaluation, or None), `baseline` (what a
        constant answer scores under the first metric), `seconds`, `warnings` (a list of sentences).

    Raises:
        FileExistsError: `settings.out` exists.
        FileNotFoundError: a file that the settings name is missing.
        ValueError: data, model and settings do not fit each other.
    """
    preparation = prepare(settings)
    run = RunDirectory(settings.out, as_values(settings), settings.seed)
    started = time.monotonic()
    evaluation = DevEvaluation(preparation, run, show=show)
    _train(preparation, evaluation)
    summary = preparation.describe() | {
        "epochs_done": -(-evaluation.steps // preparation.steps_per_epoch),
        "best_epoch": evaluation.best_epoch,
        "best_step": evaluation.best_step,
        "dev": evaluation.best_scores,
        "baseline": constant_score(preparation),
        "seconds": round(time.monotonic() - started, 1),
        "warnings": warnings_of(preparation, evaluation),
    }
    if evaluation.best_weights is not None:
        model = preparation.model
        model.set_weights(evaluation.best_weights)
        model.compile()  # A fresh optimizer: Keras would save the moments of this one, too.
        model.save_to_preset(Path(settings.out) / MODEL)
        rows = answer_rows(model, preparation.dev, evaluation.best_logits)
        write_answers(rows, Path(settings.out) / DEV_ANSWERS)
    run.finish(summary)
    return summary


def _train(preparation: Preparation, evaluation):
    settings = preparation.settings
    optimizer = fine_tuning_optimizer(
        preparation.total_steps,
        settings.learning_rate,
        settings.warmup_fraction,
        settings.weight_decay,
    )
    preparation.model.compile(optimizer, metrics=[])
    batches = training_batches(
        preparation.train,
        preparation.train_lengths,
        settings.batch_size,
        settings.epochs,
        settings.seed,
    )
    preparation.model.fit(
        batches,
        epochs=settings.epochs,
        steps_per_epoch=preparation.steps_per_epoch,
        callbacks=[evaluation],
        verbose=0,
    )


def constant_score(preparation) -> float:
    """The first metric of the best constant answer: the majority class, or the mean.

    Returns:
        The score on the dev rows; NaN for a correlation.
    """
    train, dev = preparation.train.labels, preparation.dev.labels
    if preparation.problem == "classification":
        majority = np.bincount(train).argmax()
        logits = np.tile(np.eye(preparation.train.num_outputs)[majority], (len(dev), 1))
    elif preparation.problem == "multi_label":
        logits = np.tile(train.mean(axis=0) - 0.5, (len(dev), 1))
    else:
        logits = np.full((len(dev), 1), train.mean())
    return score_logits(preparation.problem, preparation.metrics[:1], dev, logits)[
        preparation.metrics[0]
    ]


def warnings_of(preparation, evaluation) -> list[str]:
    """What speaks against a finished run: a broken loss, or nothing learned.

    Fine-tuning of the larger models sometimes fails for a seed (paper §4.2 takes the median of
    five runs); such a run must not pass for a result.
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
    leader, baseline = preparation.metrics[0], constant_score(preparation)
    answers = decide(preparation.problem, evaluation.best_logits)
    if len(answers) > 1 and np.all(answers == answers[:1]):
        found.append(
            "The model gives every dev example the same answer: it has not learned to tell them "
            "apart. Try another learning rate, more epochs or another seed."
        )
    elif not np.isnan(baseline) and not is_better(leader, evaluation.best_scores[leader], baseline):
        found.append(
            f"The dev {leader} of {evaluation.best_scores[leader]:.4f} is no better than the "
            f"{baseline:.4f} of a constant answer. Try another learning rate, more epochs or "
            "another seed."
        )
    return found
