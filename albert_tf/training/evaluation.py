"""A finished run on other data: loading its model, reading for it, scoring and asking it."""

from dataclasses import dataclass
from pathlib import Path

import keras

from albert_tf.tasks.loading import TASKS as CLASSES
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.starts import saved_class
from albert_tf.training.jobs.table import (
    TASKS,
    Task,
    family_class,
    find_task,
    reading_options_in,
)
from albert_tf.training.precision import dtype_policy
from albert_tf.training.run_files import best_run, model_folder, run_settings


@dataclass(frozen=True)
class TrainedRun:
    """A trained model with all that its run knows of the task.

    Args:
        path: what was named: a run, or a model alone.
        task: row of the table.
        job: how the task reads, answers and scores.
        model: the task's model.
        settings: of the run; empty for a model alone.
    """

    path: object
    task: Task
    job: Job
    model: keras.Model
    settings: dict

    def read(self, data=None, split="dev", with_answers=True):
        """Reads examples by what the model knows to answer.

        Args:
            data: a file, or the folder of the data set; None for what the run was evaluated on.
            split: which part of the data set; not for a file.
            with_answers: False to leave the answers unread.

        Raises:
            ValueError: the run knows no such data itself; or what the readers refuse, an answer
                that training never saw among it.
        """
        job, names = self.job, self.job.names_of(self.model)
        if data is None and self.settings.get("train"):
            # Files of the user's own, which may be folders.
            data = self.settings.get("dev") if split == "dev" else None
            if data is None:
                raise ValueError(f"{self.path} names no {split} file. Name one with --data.")
            return job.read_data(data, with_answers, names)
        if data is not None and not (Path(data).is_dir() and self.task.splits):
            return job.read_data(data, with_answers, names)
        return self.task.read(job, split, data or self.settings.get("data"), with_answers, names)


def load_run(run, precision="float32", task=None, **options) -> TrainedRun:
    """Loads the model of a run directory, or of a preset or checkpoint.

    Args:
        run: what `albert-tf finetune` wrote, the `model/` in it, or another model that answers.
        precision: as in `FineTuneSettings`; the weights are float32 in any case.
        task: name of a task, in place of that of the run.
        **options: of reading, in place of those of the run; None for those of the run.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: there is no such task, the model is of another one, or an option is not the
            task's.
    """
    folder, settings = model_folder(run), run_settings(run)
    if settings and folder == best_run(run):
        raise FileNotFoundError(
            f"There is no model in {run}: no epoch of that run ended with a usable score."
        )
    name = task or settings.get("task") or _task_of(run, folder)
    row = find_task(name)[1]
    # Another task than that of the run has columns of its own.
    known = reading_options_in(settings) if task is None else {}
    known |= {key: settings["problem"] for key in ("problem",) if settings.get(key) and not task}
    job, _ = row.job(known | options)
    model = job.load(folder, dtype_policy(precision))
    return TrainedRun(run, row, job.fitted_to(model), model, settings if task is None else {})


def _task_of(run, folder):
    """The kind of task of a model that comes without settings, by its class."""
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"There is no trained model in {run}. Name a directory that `albert-tf finetune` wrote."
        )
    name = saved_class(folder)
    if name == "AlbertEarlyExitClassifier":
        name = "AlbertTextClassifier"
    words = {cls: word for word, (_, cls) in CLASSES.items()}
    for task, row in TASKS.items():
        if not row.splits and family_class(row.family).model_class == words.get(name):
            return task
    raise ValueError(
        f"What {run} answers must be known: name the --task, for example text-classification."
    )
