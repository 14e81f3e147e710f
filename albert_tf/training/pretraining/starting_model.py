"""The model that a pretraining run starts from: random weights, or those of another run."""

import dataclasses
from pathlib import Path

from albert_tf.checkpoints.files import find_checkpoint, vocabulary_beside
from albert_tf.data.record_set import RecordSet
from albert_tf.json_object import read_json_object
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.deepening import deepen
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.optimizers.groups import freeze
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.training.fields import build
from albert_tf.training.precision import dtype_policy
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.piece_frequencies import log_frequencies
from albert_tf.training.pretraining.settings import PretrainSettings
from albert_tf.training.pretraining.variables import assign_weights
from albert_tf.training.run_directory import ENVIRONMENT, SETTINGS
from albert_tf.training.starting_config import starting_config


def starting_model(settings, records: RecordSet) -> AlbertPretrainer:
    """Builds the model of the settings and checks that it fits the records.

    Args:
        settings: `PretrainSettings`.
        records: `RecordSet`.

    Raises:
        FileNotFoundError: there is no such start.
        ValueError: the vocabulary or the row length of the records does not fit the model, the
            depth is not above that of the start, or a pattern of `freeze` matches nothing.
    """
    dtype = dtype_policy(settings.precision)
    if settings.from_ is None:
        config = starting_config(settings.config, records.vocabulary_size)
        model = AlbertPretrainer(AlbertBackbone(config, dtype=dtype))
        if settings.frequency_bias:
            model.set_output_bias(log_frequencies(records))
    else:
        model = _load(settings, records, dtype)
        if settings.layers is not None:
            model = deepen(model, settings.layers)
    _check_fits(model.backbone.albert_config, records)
    model.backbone.encoder.recompute = settings.recompute
    if settings.freeze:
        freeze(model, settings.freeze)
    return model


def _load(settings, records, dtype):
    run = Path(settings.from_)
    if (run / "checkpoints").is_dir() and not (run / "model").is_dir():
        return _of_unfinished_run(run, records, settings.precision)
    files = find_checkpoint(run / "model" if (run / "model").is_dir() else settings.from_)
    vocabulary = vocabulary_beside(files)
    if vocabulary is not None:
        records.check_vocabulary(vocabulary)
    return load_checkpoint(files.weights, "pretrainer", dtype=dtype)


def _of_unfinished_run(run, records, precision):
    """The newest weights of a run that is not at its end (not their moving averages)."""
    theirs = build(PretrainSettings, read_json_object(run / SETTINGS), f"The run {run}")
    _check_vocabulary_of(run, records)
    model = starting_model(dataclasses.replace(theirs, precision=precision, freeze=()), records)
    checkpoints = Checkpoints(run / "checkpoints")
    steps = checkpoints.steps()
    if not steps:
        raise FileNotFoundError(f"The run {run} has neither a model nor a checkpoint yet.")
    assign_weights(model, checkpoints.load(steps[-1])[0])
    return model


def _check_vocabulary_of(run, records):
    """Refuses another vocabulary, which may have as many pieces; the first runs named none."""
    data = read_json_object(run / ENVIRONMENT).get("data", {})
    if data.get("vocabulary", records.vocabulary_sha256) != records.vocabulary_sha256:
        raise ValueError(
            f"The records must have the vocabulary of the run to start from: {run} has one of "
            f"sha256 {data['vocabulary']}, {records.directory} of {records.vocabulary_sha256}. "
            "Prepare the text with the vocabulary of the run's own records."
        )


def _check_fits(config, records):
    if config.vocab_size != records.vocabulary_size:
        raise ValueError(
            f"The model must have a row for each piece of the records' vocabulary: got "
            f"{config.vocab_size} rows and {records.vocabulary_size} pieces. Prepare the records "
            "with the vocabulary of the model."
        )
    if config.max_position_embeddings < records.sequence_length:
        raise ValueError(
            f"The model must have a position for each token of a row: got "
            f"{config.max_position_embeddings} positions and rows of {records.sequence_length}. "
            "Set max_position_embeddings higher, or prepare shorter rows."
        )
