"""The classifier that a fine-tuning run starts from: published weights, ours, or none."""

import tempfile
from pathlib import Path

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.precision import dtype_policy
from albert_tf.training.starting_config import starting_config


def starting_classifier(settings, train):
    """Builds the classifier that the settings name, with a new head for the labels of `train`.

    Args:
        settings: `FineTuneSettings`.
        train: `Examples`; its texts train the vocabulary where `train_vocab` asks for one.

    Returns:
        `AlbertTextClassifier` with a preprocessor.

    Raises:
        FileNotFoundError: no such checkpoint, configuration or vocabulary.
        ValueError: a vocabulary that does not fit the model, a configuration that cannot be, or a
            `sequence_length` beyond the positions of the model.
    """
    head = {
        "num_classes": train.num_outputs,
        "class_names": train.class_names,
        "multi_label": settings.problem == "multi_label",
        "dropout": settings.dropout,
    }
    dtype = dtype_policy(settings.precision)
    if settings.from_ is None:
        preprocessor = _preprocessor(settings, train)
        config = starting_config(settings.config, preprocessor.tokenizer.vocabulary_size())
        _check_length(settings.sequence_length, config)
        backbone = AlbertBackbone(config, dtype=dtype)
        return AlbertTextClassifier(backbone, preprocessor=preprocessor, **head)
    if settings.vocab is not None:
        head["preprocessor"] = _preprocessor(settings, train)
    model = AlbertTextClassifier.from_preset(settings.from_, dtype=dtype, **head)
    if model.preprocessor is None:
        raise ValueError(
            f"{settings.from_} holds no vocabulary. Name the one that the model was trained with: "
            "--vocab FILE.model."
        )
    _check_length(settings.sequence_length, model.backbone.albert_config)
    model.preprocessor.sequence_length = settings.sequence_length
    return model


def _preprocessor(settings, train):
    style = {"lowercase": settings.lowercase, "keep_accents": settings.keep_accents}
    if settings.vocab is not None:
        tokenizer = AlbertTokenizer(settings.vocab, **style)
    else:
        tokenizer = _trained_tokenizer(settings, train, style)
    return AlbertTextClassifierPreprocessor(tokenizer, sequence_length=settings.sequence_length)


def _trained_tokenizer(settings, train, style):
    from albert_tf.training.vocabulary import train_vocabulary

    texts = train.texts + (train.text_pairs or [])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.model"
        train_vocabulary(texts, path, vocab_size=settings.train_vocab, **style)
        return AlbertTokenizer(path.read_bytes(), **style)


def _check_length(sequence_length, config):
    if sequence_length > config.max_position_embeddings:
        raise ValueError(
            f"sequence_length must be at most the {config.max_position_embeddings} positions of "
            f"the model: got {sequence_length}."
        )
