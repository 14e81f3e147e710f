"""What a fine-tuning run starts from: published weights, ours, those of another run, or none."""

import tempfile
from pathlib import Path

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.model_copies import copy_of
from albert_tf.training.precision import dtype_policy
from albert_tf.training.run_files import model_folder
from albert_tf.training.starting_config import starting_config


def starting_model(settings, job, building, train):
    """Builds the model of a run on the start that the settings name.

    Args:
        settings: `FineTuneSettings`.
        job: `Job` of the task.
        building: arguments of `job.build`; a `sequence_length` of None there is a mistake.
        train: examples, for the head, and for the vocabulary where `train_vocab` asks for one.

    Returns:
        A task with a preprocessor.

    Raises:
        FileNotFoundError: no such checkpoint, configuration or vocabulary.
        ValueError: a vocabulary that does not fit the model, a configuration that cannot be, or a
            `sequence_length` beyond the positions of the model.
    """
    dtype, tokenizer = dtype_policy(settings.precision), _tokenizer(settings, job, train)
    if settings.from_ is None:
        config = starting_config(settings.config, tokenizer.vocabulary_size())
        start = AlbertBackbone(config, dtype=dtype)
    else:
        start = str(model_folder(settings.from_))
        building = building | {"dtype": dtype}
    model = job.build(start, train, tokenizer=tokenizer, **building)
    if settings.hidden_dropout is None:
        return model
    rates = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    return copy_of(model, **dict.fromkeys(rates, settings.hidden_dropout))


def _tokenizer(settings, job, train):
    """The vocabulary that is named or to be trained; None for the one beside the weights."""
    style = {"lowercase": settings.lowercase, "keep_accents": settings.keep_accents}
    if settings.vocab is not None:
        return AlbertTokenizer(settings.vocab, **style)
    if settings.train_vocab is None:
        return None
    from albert_tf.training.vocabulary import train_vocabulary

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.model"
        train_vocabulary(job.texts(train), path, vocab_size=settings.train_vocab, **style)
        return AlbertTokenizer(path.read_bytes(), **style)
