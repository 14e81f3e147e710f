"""A pretraining run from records to a preset (paper §4.1)."""

import contextlib
import dataclasses
import hashlib
import json
import math
import warnings

import keras

from albert_tf.config import AlbertConfig
from albert_tf.data.record_batches import numpy_batches
from albert_tf.data.record_set import HELD_OUT, TRAIN, RecordSet
from albert_tf.training.fields import as_values, default_values
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.loop import Loop
from albert_tf.training.pretraining.preset import save_preset
from albert_tf.training.pretraining.settings import (
    FREE_TO_CHANGE,
    PretrainSettings,
    batch_settings,
    check_batch,
)
from albert_tf.training.pretraining.stopping import stop_requests, stop_when_input_ends
from albert_tf.training.pretraining.supervisor import is_supervised
from albert_tf.training.pretraining.throughput import RowCost, training_flops_per_row
from albert_tf.training.run_directory import Rows, RunDirectory


def pretrain(settings, show=True) -> dict | None:
    """Trains an `AlbertPretrainer` on records; a run that was broken off goes on.

    The run directory gets what `RunDirectory` says, `checkpoints/`, and at the end the preset
    `model/` with its vocabulary, and `best_model/` where an earlier checkpoint was better by the
    setting `best_by`. Of many workers only the chief writes; all of them must see the
    same directory.

    Args:
        settings: `PretrainSettings`.
        show: whether to draw a progress bar on stderr.

    Returns:
        The summary of a run that is at its end, empty on workers beside the chief; None where
        SIGTERM or SIGINT stopped it before.

    Raises:
        FileNotFoundError: no records, or no start.
        FileExistsError: `out` holds something else than a run of pretraining.
        ValueError: records, start and settings do not fit, or `out` holds a run of others.
        ArithmeticError: the loss or a weight stopped being a finite number.
        WorkerLost: another worker is gone.
    """
    records = _open_records(settings)
    backend = open_backend(settings, records)
    # Not before: TensorFlow's cluster takes SIGTERM for itself when it begins.
    with stop_requests() as requests:
        if is_supervised():
            stop_when_input_ends()
        with backend.errors_named(), _open_run(settings, records, backend) as run:
            return _train(settings, records, backend, run, requests, show)


def _open_records(settings):
    records = RecordSet.open(settings.records)
    if records.objective == "none" and settings.best_by.startswith("sentence_order"):
        raise ValueError(
            f"best_by must be a measure of what is trained: got {settings.best_by}, and "
            f"{settings.records} has one segment a row (objective none). Use masked_lm_accuracy, "
            "masked_lm_loss or loss."
        )
    if records.is_masked:
        _refuse_other_masks(settings, records)
    # Reads no row; raises where the records cannot be dealt out so, before there is a run.
    numpy_batches(records, TRAIN, **batch_settings(settings))
    return records


def _refuse_other_masks(settings, records):
    """Records that were masked when they were written are not masked otherwise."""
    for name in ("mask_fraction", "max_ngram"):
        given, default = getattr(settings, name), getattr(type(settings), name)
        if given != default and given != records.settings[name]:
            raise ValueError(
                f"{name} must be left out, or be {records.settings[name]}: {settings.records} was "
                f"masked when it was written. Got {given}. Prepare it anew, with other masks or "
                "with masking=dynamic."
            )


def open_backend(settings, records):
    """Model, updates and batches on the library that Keras computes with.

    Raises:
        ValueError: there is no training on that library.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        from albert_tf.training.pretraining.tensorflow_backend import TensorFlowBackend

        return TensorFlowBackend(settings, records)
    if backend == "jax":
        from albert_tf.training.pretraining.jax_backend import JaxBackend

        return JaxBackend(settings, records)
    raise ValueError(
        f"Pretraining runs on Keras with tensorflow or jax: got {backend}. Set the environment "
        "variable KERAS_BACKEND."
    )


def describe(settings) -> dict:
    """Sizes of data, model and training, as JSON values, before anything is written."""
    records = _open_records(settings)
    num_workers = settings.workers
    if num_workers is not None:
        # None of them is started, and a model is the same on one device.
        check_batch(settings, num_workers)
        settings = dataclasses.replace(settings, strategy="one", workers=None, restarts=0)
    backend = open_backend(settings, records)
    num_devices = num_workers or backend.num_devices
    model, cost = backend.model, _row_cost(settings, records, backend.model)
    steps_per_epoch = records.steps_per_epoch(settings.batch_size)
    return {
        "parameters": model.count_params(),
        "trained_parameters": sum(math.prod(v.shape) for v in model.trainable_variables),
        "backend": keras.config.backend(),
        "precision": model.backbone.dtype_policy.name,
        "workers": num_workers or backend.num_workers,
        "devices": num_devices,
        "rows_per_device": settings.batch_size // num_devices,
        "sequence_length": records.sequence_length,
        "objective": records.objective,
        "train_rows": records.split(TRAIN).rows,
        "train_tokens": records.split(TRAIN).tokens,
        "held_out_rows": _held_out_rows(records),
        "steps_per_epoch": steps_per_epoch,
        "epochs": round(settings.steps / steps_per_epoch, 3),
        "tokens_per_update": settings.batch_size * records.sequence_length,
        "operations_per_update": settings.batch_size * cost.operations,
    }


def _open_run(settings, records, backend):
    if not backend.is_chief:
        return contextlib.nullcontext(Rows())
    return RunDirectory.begin_or_go_on(
        settings.out,
        as_values(settings),
        settings.seed,
        data={
            "records": fingerprint(records),
            "vocabulary": records.vocabulary_sha256,
            "configuration": fingerprint_of_config(backend.model.backbone.albert_config),
        },
        defaults=default_values(PretrainSettings),
        free_to_change=FREE_TO_CHANGE,
    )


def _train(settings, records, backend, run, requests, show):
    model = backend.model
    checkpoints = Checkpoints(settings.out / "checkpoints", settings.keep)
    step = _first_step(settings, backend, run, checkpoints)
    loop = Loop(
        settings,
        backend,
        run,
        checkpoints,
        row_cost=_row_cost(settings, records, model),
        matrix_peak=backend.matrix_peak(),
        has_held_out=_held_out_rows(records) > 0,
        show=show and backend.is_chief,
    )
    loop.go_on_from(step)
    step = loop.train(step, requests)
    is_done, summary = step == settings.steps, {}
    if backend.is_chief and not is_done:
        run.draw()
    elif is_done:
        _save_presets(records, backend, run, checkpoints, step)
    if backend.is_chief and is_done:
        summary = _summary(model, run)
        run.finish(summary)
    backend.sum_of_workers(0)  # all end together
    return summary if is_done else None


def _save_presets(records, backend, run, checkpoints, step):
    """Writes the model of the last update, and the best one where that is another."""
    _save_averaged(records, backend, run, "model")
    backend.sum_of_workers(0)  # until the chief has named the best
    best = checkpoints.best() or {"step": step}
    if best["step"] != step:
        backend.assign(checkpoints.load(best["step"])[0])
        _save_averaged(records, backend, run, "best_model")


def _save_averaged(records, backend, run, name):
    with backend.averaged():
        if backend.is_chief:
            save_preset(backend.model, records, run.path / name)


def _first_step(settings, backend, run, checkpoints) -> int:
    """The step to go on from; the chief finds it, and all workers take it."""
    step = 0
    if backend.is_chief:
        step, damaged = checkpoints.newest_whole()
        if damaged:
            names = ", ".join(str(path) for path in damaged)
            warnings.warn(
                f"Damaged checkpoints are put aside: {names}. The run goes on from step {step}, "
                "and makes the updates after it again.",
                stacklevel=2,
            )
        if step > settings.steps:
            raise ValueError(
                f"steps must be at least the {step} that are done: got {settings.steps}."
            )
        run.go_on_from(step, damaged=[path.name for path in damaged])
    return backend.sum_of_workers(step)


def fingerprint(records) -> str:
    """A checksum of all that the records hold, wherever they stand."""
    shards = {
        name: [shard.sha256 for shard in split.shards] for name, split in records.splits.items()
    }
    content = json.dumps([records.vocabulary_sha256, shards], sort_keys=True)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()


def fingerprint_of_config(config):
    """A checksum of what shapes a model, wherever it was read from.

    What is as by default is left out, so that a field of a later version changes nothing.
    """
    usual = AlbertConfig().to_dict()
    content = {n: v for n, v in config.to_dict().items() if n not in usual or v != usual[n]}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()


def _held_out_rows(records):
    split = records.splits.get(HELD_OUT)
    return 0 if split is None else split.rows


def _row_cost(settings, records, model):
    config, length = model.backbone.albert_config, records.sequence_length
    return RowCost(length, training_flops_per_row(config, length, settings.max_predictions))


def _summary(model, run):
    last = {row["split"]: row for row in run.rows}
    return {
        "parameters": model.count_params(),
        "steps": last["train"]["step"],
        "seconds": last["train"]["seconds"],
        **{split: _measures(row) for split, row in last.items()},
    }


def _measures(row):
    return {name: value for name, value in row.items() if name not in ("split", "step", "seconds")}
