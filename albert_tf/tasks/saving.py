"""Our models into the published formats."""

import dataclasses
import json

from albert_tf.checkpoints import (
    albert_zh,
    hugging_face,
    keras_hub_preset,
    safetensors_file,
    tf1,
)
from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.projection import identity
from albert_tf.checkpoints.published import heads_of
from albert_tf.checkpoints.table import published_groups
from albert_tf.checkpoints.weights import gather
from albert_tf.staging import new_directory, refuse_existing
from albert_tf.tasks.table import task_word
from albert_tf.text.wordpiece_model import WordPieceModel

DTYPES = ("float32", "float16")


def save_checkpoint(model, path, format, tokenizer=None, dtype="float32"):
    """Writes a model as a published checkpoint: a new directory, whole or not at all.

    | format | files | read by |
    | --- | --- | --- |
    | `hf` | `config.json`, `model.safetensors`, `spiece.model` | transformers |
    | `tf1` | `model.ckpt-best.*`, `albert_config.json`, `30k-clean.model` | the original |
    | `keras_hub` | a preset of its AlbertBackbone; no heads | keras_hub |

    A WordPiece vocabulary is written as `vocab.txt`, which transformers reads with its
    BertTokenizer; keras_hub has no tokenizer for it. The original has one name,
    `output_weights`, for every head on the pooled output, and none for a head on every token but
    SQuAD's.

    Args:
        model: backbone or task.
        path: directory to write; it must not exist, or be empty.
        format: `hf`, `tf1` or `keras_hub`.
        tokenizer: `AlbertTokenizer` whose vocabulary goes along; by default that of the model's
            preprocessor.
        dtype: of the weights in the file, `float32` or, in `hf`, `float16`: half the size, and a
            relative error of up to 0.05 % in each weight.

    Raises:
        FileExistsError: `path` exists and is not empty.
        ValueError: no such format, or the format has no names for a part of the model.
    """
    if format not in _WRITERS:
        raise ValueError(f"format must be one of {', '.join(_WRITERS)}: got {format!r}.")
    if dtype not in DTYPES or (dtype != "float32" and format != "hf"):
        raise ValueError(
            f"dtype must be float32, or float16 with format='hf': got {dtype!r} with {format!r}."
        )
    word = task_word(model)
    refuse_existing(path)
    preprocessor = getattr(model, "preprocessor", None)
    tokenizer = tokenizer or (preprocessor and preprocessor.tokenizer)
    if word == "text_embedder":  # a pooling has no weights
        model, word = model.backbone, "backbone"
    with new_directory(path) as staged:
        options = {"dtype": dtype} if format == "hf" else {}
        _WRITERS[format](model, word, staged, tokenizer, **options)


def _write_hugging_face(model, word, directory, tokenizer, dtype="float32"):
    backbone = getattr(model, "backbone", model)
    config, table = backbone.albert_config, hugging_face.TABLE
    _refuse_words_only(config, table)
    arrays = _arrays(model, backbone, table) | identity(table, config)
    if word == "backbone":
        # transformers saves its bare AlbertModel without the prefix.
        arrays = {name.removeprefix("albert."): array for name, array in arrays.items()}
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    safetensors_file.write(directory / "model.safetensors", arrays)
    head = {}
    if word in ("text_classifier", "token_classifier", "multiple_choice"):
        names = ("num_classes", "class_names", "dropout", "multi_label")
        head = {name: getattr(model, name, None) for name in names}
    values = hugging_face.config_values(config, word, **head) | {"dtype": dtype}
    _write_json(directory / "config.json", values)
    if tokenizer is not None:
        settings = {
            "do_lower_case": tokenizer.lowercase,
            "model_max_length": config.max_position_embeddings,
        }
        if is_wordpiece(tokenizer):
            strips = tokenizer.lowercase and not tokenizer.keep_accents
            settings |= {"tokenizer_class": "BertTokenizer", "strip_accents": strips}
        else:
            keeps = {"keep_accents": tokenizer.keep_accents}
            settings |= {"tokenizer_class": "AlbertTokenizer"} | keeps
        _write_vocabulary(directory, tokenizer, "spiece.model")
        _write_json(directory / "tokenizer_config.json", settings)


def _write_tf1(model, word, directory, tokenizer):
    backbone = getattr(model, "backbone", model)
    config = backbone.albert_config
    table = albert_zh.TABLE if config.factorized_tables == "words" else tf1.TABLE
    if word == "token_classifier":
        raise CheckpointError(
            "The original has no head on every token, so that its format has no name for one. "
            "Use format='hf', or save model.backbone."
        )
    config = dataclasses.replace(
        config,
        sharing="all",
        num_hidden_groups=published_groups(config),
        hidden_act=_tf1_act(config),
    )
    tf1.write(directory, _arrays(model, backbone, table))
    _write_json(directory / "albert_config.json", hugging_face.config_file_values(config))
    if tokenizer is not None:
        _write_vocabulary(directory, tokenizer, "30k-clean.model")


def _tf1_act(config):
    if config.hidden_act == "gelu_exact":
        raise CheckpointError(
            "hidden_act='gelu_exact' has no name in the original, whose gelu is the tanh form. "
            "Use format='hf'."
        )
    return "gelu" if config.hidden_act == "gelu_new" else config.hidden_act


def _write_keras_hub(model, word, directory, tokenizer):
    if word != "backbone":
        raise CheckpointError(
            f"A keras_hub preset of ALBERT holds a backbone and no head: got {type(model).__name__}"
            ". Save model.backbone, with tokenizer= for the vocabulary."
        )
    if is_wordpiece(tokenizer):
        raise CheckpointError(
            "keras_hub has no tokenizer that reads a vocab.txt as ALBERT does: its BertTokenizer "
            "makes ASCII of the punctuation of Chinese. Save the backbone without tokenizer=, and "
            "give keras_hub's model the ids of AlbertTokenizer."
        )
    import keras_hub

    keras_hub_preset.build(model).save_to_preset(str(directory))
    if tokenizer is not None:
        theirs = keras_hub.models.AlbertTokenizer(proto=tokenizer.proto)
        theirs.save_to_preset(str(directory))


_WRITERS = {"hf": _write_hugging_face, "tf1": _write_tf1, "keras_hub": _write_keras_hub}


def _arrays(model, backbone, table):
    rows = table.rows(backbone.albert_config, backbone.include_pooler, heads_of(model, table))
    return gather(model, rows, f"A checkpoint in {table.family}")


def is_wordpiece(tokenizer) -> bool:
    """Whether a tokenizer has a `vocab.txt`; None has not."""
    return tokenizer is not None and isinstance(tokenizer.vocabulary, WordPieceModel)


def _write_vocabulary(directory, tokenizer, sentencepiece_name):
    name = "vocab.txt" if is_wordpiece(tokenizer) else sentencepiece_name
    (directory / name).write_bytes(tokenizer.proto)


def _refuse_words_only(config, table):
    if config.factorized_tables != "all":
        raise CheckpointError(
            f"{table.family} has no names for factorized_tables={config.factorized_tables!r}, "
            "which is albert_zh's own layout. Use format='tf1'."
        )


def _write_json(path, values):
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
