"""The model that a pretraining run starts from: random weights, or those of another run."""

from pathlib import Path

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.training.starting_points import starting_config


def starting_model(settings, records, dtype) -> AlbertPretrainer:
    """Builds the model of the settings and checks that it fits the records.

    Args:
        settings: `PretrainSettings`.
        records: `RecordSet`.
        dtype: Keras dtype policy.

    Raises:
        FileNotFoundError: there is no such start.
        ValueError: the vocabulary or the row length of the records does not fit the model.
    """
    if settings.from_ is None:
        config = starting_config(settings.config, records.vocabulary_size)
        model = AlbertPretrainer(AlbertBackbone(config, dtype=dtype))
    else:
        model = _load(settings.from_, dtype)
    config = model.backbone.albert_config
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
    return model


def _load(start, dtype):
    run = Path(start) / "model"
    return load_checkpoint(run if run.is_dir() else start, "pretrainer", dtype=dtype)
