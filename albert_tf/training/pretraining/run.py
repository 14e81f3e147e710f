"""A pretraining run from records to a preset (paper §4.1), on TensorFlow."""

import keras
import tensorflow as tf

from albert_tf.data.record_set import TRAIN, RecordSet
from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.lamb import Lamb
from albert_tf.optimizers.schedule import WarmupPolynomialDecay
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.fields import as_values
from albert_tf.training.precision import dtype_policy
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.input import Input
from albert_tf.training.pretraining.loop import Loop
from albert_tf.training.pretraining.settings import FREE_TO_CHANGE
from albert_tf.training.pretraining.starting_model import starting_model
from albert_tf.training.pretraining.tensorflow_steps import TensorFlowSteps
from albert_tf.training.pretraining.throughput import matrix_peak, training_flops_per_row
from albert_tf.training.run_directory import RunDirectory

OPTIMIZERS = {"lamb": Lamb, "adamw": AdamW}


def pretrain(settings, show=True) -> dict | None:
    """Trains an `AlbertPretrainer` on records; a run that was broken off goes on.

    The run directory gets what `RunDirectory` says, `checkpoints/`, and at the end the preset
    `model/` with its vocabulary.

    Args:
        settings: `PretrainSettings`.
        show: whether to draw a progress bar on stderr.

    Returns:
        The summary of a run that is at its end; None where SIGTERM or SIGINT stopped it before.

    Raises:
        FileNotFoundError: no records, or no start.
        FileExistsError: `out` holds something else than a run of pretraining.
        ValueError: records, start and settings do not fit, or `out` holds a run of others.
        ArithmeticError: the loss stopped being a finite number.
    """
    records, strategy = RecordSet.open(settings.records), tf.distribute.get_strategy()
    model, optimizer = _build(settings, records, strategy)
    run = RunDirectory.begin_or_go_on(
        settings.out, as_values(settings), settings.seed, FREE_TO_CHANGE
    )
    config = model.backbone.albert_config
    length = records.sequence_length
    loop = Loop(
        settings,
        TensorFlowSteps(model, optimizer, strategy, settings.micro_batches),
        [*model.variables, *optimizer.variables],
        Checkpoints(run.path / "checkpoints", settings.keep),
        run.log,
        row_cost=(length, training_flops_per_row(config, length, settings.max_predictions)),
        matrix_peak=matrix_peak(model.backbone.compute_dtype),
        show=show,
    )
    step = loop.restore()
    run.go_on_from(step)
    batches = Input(settings, records, strategy)
    step = loop.run(step, batches.train(step), batches.held_out if batches.has_held_out else None)
    if step < settings.steps:
        return None
    return _finish(run, model, records)


def describe(settings) -> dict:
    """Sizes of data, model and training, as JSON values, before anything is written."""
    records = RecordSet.open(settings.records)
    model, _ = _build(settings, records, tf.distribute.get_strategy())
    steps_per_epoch = records.steps_per_epoch(settings.batch_size)
    return {
        "parameters": model.count_params(),
        "precision": model.backbone.dtype_policy.name,
        "sequence_length": records.sequence_length,
        "objective": records.objective,
        "train_rows": records.split(TRAIN).rows,
        "train_tokens": records.split(TRAIN).tokens,
        "steps_per_epoch": steps_per_epoch,
        "epochs": round(settings.steps / steps_per_epoch, 3),
        "tokens_per_update": settings.batch_size * records.sequence_length,
    }


def _build(settings, records, strategy):
    keras.utils.set_random_seed(settings.seed)
    with strategy.scope():
        model = starting_model(settings, records, dtype_policy(settings.precision))
        optimizer = make_optimizer(settings)
        optimizer.build(model.trainable_variables)
    return model, optimizer


def make_optimizer(settings):
    """The optimizer of the settings, with warm-up and linear decay."""
    schedule = WarmupPolynomialDecay(
        settings.learning_rate,
        settings.steps,
        warmup_steps=settings.warmup_steps,
        reference=settings.reference,
    )
    return OPTIMIZERS[settings.optimizer](
        schedule,
        weight_decay=settings.weight_decay,
        beta_2=settings.beta_2,
        global_clipnorm=settings.clip_norm,
        reference=settings.reference,
    )


def _finish(run, model, records):
    style = {name: records.settings[name] for name in ("lowercase", "keep_accents")}
    tokenizer = AlbertTokenizer(records.directory / "vocabulary.model", **style)
    save_pretrained(model, tokenizer, run.path / "model")
    last = {row["split"]: row for row in run.rows}
    summary = {
        "parameters": model.count_params(),
        "steps": last["train"]["step"],
        "seconds": last["train"]["seconds"],
        **{split: _measures(row) for split, row in last.items()},
    }
    run.finish(summary)
    return summary


def _measures(row):
    return {name: value for name, value in row.items() if name not in ("split", "step", "seconds")}


def save_pretrained(model, tokenizer, path):
    """Writes a preset of the model with its vocabulary, which every task starts from."""
    model.save_to_preset(path)
    tokenizer.save_to_preset(path)
