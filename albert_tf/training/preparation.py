"""Everything that a fine-tuning run needs, read and checked before its first step."""

import dataclasses
import math
from dataclasses import dataclass

import keras
import numpy as np

from albert_tf.optimizers.defaults import usual_learning_rate
from albert_tf.optimizers.groups import freeze
from albert_tf.staging import refuse_existing
from albert_tf.tasks.base import AlbertTask
from albert_tf.training.batches import filled_up, num_batches
from albert_tf.training.fields import as_values
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.table import (
    Task,
    family_class,
    find_task,
    options_in,
)
from albert_tf.training.memory import memory_estimate
from albert_tf.training.settings import FineTuneSettings
from albert_tf.training.starting_points import starting_model

COLUMNS = {"text", "text_pair", "label", "separator", "header"}


@dataclass(frozen=True)
class Preparation:
    """A run that is ready to start.

    Args:
        settings: what was asked for, every option of the task with its value.
        task: row of the table.
        job: how the task reads, answers and scores.
        model: the task's model, not compiled for the run yet.
        train, dev: examples with answers.
        also: further parts to score with the best weights: name -> examples.
    """

    settings: FineTuneSettings
    task: Task
    job: Job
    model: AlbertTask
    train: object
    dev: object
    also: dict

    @property
    def steps_per_epoch(self) -> int:
        """Updates of one pass over the training examples."""
        return num_batches(len(self.train), self.settings.batch_size)

    @property
    def total_steps(self) -> int:
        """Updates of the whole training."""
        return self.settings.steps or self.steps_per_epoch * self.settings.epochs

    @property
    def epochs(self) -> int:
        """Passes over the training examples; with `steps` the last one may end early."""
        return num_batches(self.total_steps, self.steps_per_epoch)

    @property
    def warmup_steps(self) -> int:
        """Updates in which the learning rate rises."""
        if self.settings.warmup_steps is not None:
            return self.settings.warmup_steps
        return int(self.settings.warmup_fraction * self.total_steps)

    def batches(self):
        """All raw batches of the training.

        With `accumulate` these are parts of an update. Then, and where the job wants it, every
        batch is full: some examples come twice in a pass.
        """
        settings, train = self.settings, self.train
        if settings.accumulate > 1 or self.job.wants_full_batches:
            rng = np.random.default_rng(settings.seed)
            train = train.take(filled_up(len(train), settings.batch_size, rng))
        size = settings.batch_size // settings.accumulate
        batches = self.job.batches(train, batch_size=size, epochs=self.epochs, seed=settings.seed)
        return batches.take(self.total_steps * settings.accumulate)

    def describe(self) -> dict:
        """Sizes of data, model and training, as JSON values."""
        model, data = self.model, self.job.describe(self.model, self.train, self.dev)
        longest = self.settings.sequence_length
        longest = min(longest, data.get("longest_train_example_in_tokens", longest))
        return {
            "task": self.settings.task,
            "options": dict(sorted(options_in(as_values(self.settings)).items())),
            **data,
            "train_examples": len(self.train),
            "dev_examples": len(self.dev),
            "vocabulary_size": model.backbone.albert_config.vocab_size,
            "parameters": model.count_params(),
            "trained_parameters": sum(math.prod(v.shape) for v in model.trainable_variables),
            "memory_estimate_in_bytes": memory_estimate(
                model,
                self.settings,
                rows=self.job.rows_an_example(self.train) * self.settings.batch_size,
                tokens_a_row=longest,
            ),
            "precision": model.dtype_policy.name,
            "steps_per_epoch": self.steps_per_epoch,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


def prepare(settings: FineTuneSettings) -> Preparation:
    """Reads the data and builds the model.

    Raises:
        FileExistsError: `out` exists.
        FileNotFoundError: a file that the settings name is missing.
        ValueError: the data cannot be read or do not fit each other or the model.
    """
    refuse_existing(settings.out)
    name, task = find_task(settings.task)
    if not family_class(task.family).is_trained:
        raise ValueError(
            f"{name} is not trained: it asks a pretrained model. Use `albert-tf predict --task "
            f"{name} --run MODEL`."
        )
    job, building = task.job(options_in(settings))
    _refuse_columns(settings, name, task)
    settings = _resolved(settings, name, job, building)
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    train, dev = _read(settings, task, job, rng)
    also = {}
    if settings.train is None:
        also = {split: task.read(job, split, settings.data) for split in task.also}
    train = job.to_train_on(train)
    model = starting_model(settings, job, building, train)
    if settings.learning_rate is None:
        rate = usual_learning_rate(model.backbone.albert_config)
        settings = dataclasses.replace(settings, learning_rate=rate)
    if settings.lora_rank is not None:
        model.backbone.enable_lora(settings.lora_rank)
    if settings.freeze:
        freeze(model, settings.freeze)
    preparation = Preparation(settings, task, job, model, train, dev, also)
    if preparation.warmup_steps >= preparation.total_steps:
        raise ValueError(
            f"warmup_steps must be below the number of updates: got {preparation.warmup_steps} of "
            f"{preparation.total_steps}. Train longer or warm up for fewer steps."
        )
    return preparation


def _resolved(settings, name, job, building):
    """The settings with the values that the task gives to options that were left open."""
    fields = {f.name: getattr(job, f.name) for f in dataclasses.fields(job)}
    known = {f.name for f in dataclasses.fields(settings)}
    values = {key: value for key, value in (fields | building).items() if key in known}
    return dataclasses.replace(settings, **values | {"task": name})


def _refuse_columns(settings, name, task):
    if not task.glue or settings.train is not None:
        return
    own, given = task.job()[0], options_in(settings)
    changed = [k for k in sorted(COLUMNS & given.keys()) if given[k] != getattr(own, k)]
    if changed:
        raise ValueError(
            f"The files of {name} have columns of their own: leave "
            f"--{changed[0].replace('_', '-')} out, or name your files with --train and --dev."
        )


def _read(settings, task, job, rng):
    if settings.train is None:
        train = task.read(job, "train", settings.data)
        names = getattr(train, "class_names", None)
        dev = task.read(job, "dev", settings.data, class_names=names)
        return _limited(train, settings.limit, rng), dev
    if settings.dev is None:
        return _held_out(settings, job.read_data(settings.train), rng, settings.train)
    train, dev = job.read(settings)
    return _limited(train, settings.limit, rng), dev


def _held_out(settings, train, rng, source):
    order = rng.permutation(len(train))
    num_dev = round(settings.dev_fraction * len(train))
    if not 0 < num_dev < len(train):
        raise ValueError(
            f"dev_fraction {settings.dev_fraction} of {len(train)} rows of {source} leaves "
            f"{num_dev} to evaluate on. Name a file with --dev."
        )
    return _limited(train.take(order[num_dev:]), settings.limit, rng), train.take(order[:num_dev])


def _limited(examples, limit, rng):
    if limit is None or limit >= len(examples):
        return examples
    return examples.take(rng.permutation(len(examples))[:limit])
