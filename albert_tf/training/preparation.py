"""Everything that a fine-tuning run needs, read and checked before its first step."""

from dataclasses import dataclass

import keras
import numpy as np

from albert_tf.data.glue import glue_task, read_glue
from albert_tf.data.tables import Examples, read_examples
from albert_tf.metrics import check_metrics
from albert_tf.staging import refuse_existing
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.training.batches import num_batches, token_counts
from albert_tf.training.settings import FineTuneSettings
from albert_tf.training.starting_points import starting_classifier


@dataclass(frozen=True)
class Preparation:
    """A run that is ready to start.

    Args:
        settings: what was asked for.
        problem: `classification`, `regression` or `multi_label`.
        metrics: names; the first one picks the best epoch.
        model: the classifier, not compiled for the run yet.
        train, dev: `Examples` with labels.
        train_lengths, dev_lengths: tokens of each example before anything is cut.
    """

    settings: FineTuneSettings
    problem: str
    metrics: tuple[str, ...]
    model: AlbertTextClassifier
    train: Examples
    dev: Examples
    train_lengths: np.ndarray
    dev_lengths: np.ndarray

    @property
    def steps_per_epoch(self) -> int:
        """Updates of one pass over the training examples."""
        return num_batches(len(self.train), self.settings.batch_size)

    @property
    def total_steps(self) -> int:
        """Updates of the whole training."""
        return self.steps_per_epoch * self.settings.epochs

    def describe(self) -> dict:
        """Sizes of data, model and training, as JSON values."""
        limit = self.settings.sequence_length
        return {
            "problem": self.problem,
            "classes": list(self.train.class_names or ()),
            "pairs": self.train.text_pairs is not None,
            "metrics": list(self.metrics),
            "train_examples": len(self.train),
            "dev_examples": len(self.dev),
            "longest_train_example_in_tokens": int(self.train_lengths.max()),
            "train_examples_cut": int((self.train_lengths > limit).sum()),
            "dev_examples_cut": int((self.dev_lengths > limit).sum()),
            "vocabulary_size": self.model.backbone.albert_config.vocab_size,
            "parameters": self.model.count_params(),
            "precision": self.model.dtype_policy.name,
            "steps_per_epoch": self.steps_per_epoch,
            "total_steps": self.total_steps,
            "warmup_steps": int(self.settings.warmup_fraction * self.total_steps),
        }


def prepare(settings: FineTuneSettings) -> Preparation:
    """Reads the data and builds the model.

    Raises:
        FileExistsError: `out` exists.
        FileNotFoundError: a file that the settings name is missing.
        ValueError: the data cannot be read or do not fit each other or the model.
    """
    refuse_existing(settings.out)
    task = glue_task(settings.task) if settings.task else None
    problem = task.problem if task else settings.problem
    names = settings.metrics or (task.metrics if task else ())
    metrics = check_metrics(names, problem)
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    train, dev = _read(settings, rng)
    if train.class_names is not None and problem == "classification" and train.num_outputs < 2:
        raise ValueError(
            f"A classifier needs examples of at least two classes: all {len(train)} training "
            f"examples are {train.class_names[0]!r}. Is {settings.label!r} the column of labels?"
        )
    model = starting_classifier(settings, train)
    tokenizer = model.preprocessor.tokenizer
    lengths = [token_counts(examples, tokenizer) for examples in (train, dev)]
    return Preparation(settings, problem, metrics, model, train, dev, *lengths)


def _read(settings, rng):
    if settings.task:
        train = read_glue(settings.task, "train", settings.glue)
        return _limited(train, settings.limit, rng), read_glue(settings.task, "dev", settings.glue)
    train = read_table(settings, settings.train)
    if settings.dev is not None:
        dev = read_table(settings, settings.dev, train.class_names)
        return _limited(train, settings.limit, rng), dev
    order = rng.permutation(len(train))
    num_dev = round(settings.dev_fraction * len(train))
    if not 0 < num_dev < len(train):
        raise ValueError(
            f"dev_fraction {settings.dev_fraction} of {len(train)} rows of {settings.train} leaves "
            f"{num_dev} to evaluate on. Name a file with --dev."
        )
    return _limited(train.take(order[num_dev:]), settings.limit, rng), train.take(order[:num_dev])


def read_table(settings, path, class_names=None) -> Examples:
    """Reads a file by the columns and the problem that the settings name."""
    return read_examples(
        path,
        text=settings.text,
        text_pair=settings.text_pair,
        label=settings.label,
        problem=settings.problem,
        class_names=class_names,
        separator=settings.separator,
        header=settings.header,
    )


def _limited(examples, limit, rng):
    if limit is None or limit >= len(examples):
        return examples
    return examples.take(rng.permutation(len(examples))[:limit])
