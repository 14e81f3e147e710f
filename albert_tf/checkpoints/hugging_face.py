"""Checkpoints of Hugging Face's transformers: names, configuration, and what is said twice."""

import json

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.table import Row, Table, published_groups
from albert_tf.config import AlbertConfig


def _table(ours, published):
    return (Row(f"{ours}/embeddings", f"{published}.weight"),)


def _linear(ours, published):
    # torch keeps the kernel of a Linear as (outputs, inputs).
    return (
        Row(f"{ours}/kernel", f"{published}.weight", transposed=True),
        Row(f"{ours}/bias", f"{published}.bias"),
    )


def _norm(ours, published):
    return (Row(f"{ours}/gamma", f"{published}.weight"), Row(f"{ours}/beta", f"{published}.bias"))


_LAYER = "albert.encoder.albert_layer_groups.{g}.albert_layers.{i}"

TABLE = Table(
    family="Hugging Face",
    embeddings=(
        *_table("embeddings/word_embeddings", "albert.embeddings.word_embeddings"),
        *_table("embeddings/position_embeddings", "albert.embeddings.position_embeddings"),
        *_table("embeddings/token_type_embeddings", "albert.embeddings.token_type_embeddings"),
        *_norm("embeddings/layer_norm", "albert.embeddings.LayerNorm"),
    ),
    projection=_linear("embedding_projection", "albert.encoder.embedding_hidden_mapping_in"),
    layer=(
        *_linear("encoder/attention_{g}_{i}/query", f"{_LAYER}.attention.query"),
        *_linear("encoder/attention_{g}_{i}/key", f"{_LAYER}.attention.key"),
        *_linear("encoder/attention_{g}_{i}/value", f"{_LAYER}.attention.value"),
        *_linear("encoder/attention_{g}_{i}/output", f"{_LAYER}.attention.dense"),
        *_norm("encoder/attention_{g}_{i}/layer_norm", f"{_LAYER}.attention.LayerNorm"),
        *_linear("encoder/ffn_{g}_{i}/intermediate", f"{_LAYER}.ffn"),
        *_linear("encoder/ffn_{g}_{i}/output", f"{_LAYER}.ffn_output"),
        *_norm("encoder/ffn_{g}_{i}/layer_norm", f"{_LAYER}.full_layer_layer_norm"),
    ),
    pooler=_linear("pooler/dense", "albert.pooler"),
    heads={
        "masked_lm_head": (
            *_linear("masked_lm_head/dense", "predictions.dense"),
            *_norm("masked_lm_head/layer_norm", "predictions.LayerNorm"),
            Row("masked_lm_head/output_bias", "predictions.bias"),
        ),
        "sentence_order_head": _linear("sentence_order_head/dense", "sop_classifier.classifier"),
        "classifier": _linear("classifier/dense", "classifier"),
        "choice_head": _linear("choice_head/dense", "classifier"),
        "span_head": _linear("span_head/dense", "qa_outputs"),
    },
    always_projects=True,
    tied={
        "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
)

# Our task -> the class of transformers that a `config.json` names.
ARCHITECTURES = {
    "backbone": "AlbertModel",
    "pretrainer": "AlbertForPreTraining",
    "masked_lm": "AlbertForMaskedLM",
    "text_classifier": "AlbertForSequenceClassification",
    "token_classifier": "AlbertForTokenClassification",
    "question_answering": "AlbertForQuestionAnswering",
    "multiple_choice": "AlbertForMultipleChoice",
}

# What a `config.json` says of the class and of the file; the model is made anew from the rest.
# `model_type` must go: with it, `hidden_act` would be read by Hugging Face's meaning for ever.
NOT_ARCHITECTURE = (
    "model_type",
    "architectures",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "classifier_dropout_prob",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "_name_or_path",
)
# The activations as transformers names them; the others have one name.
_ACTIVATIONS = {"gelu": "gelu_new", "gelu_exact": "gelu"}


def config_from(values):
    """`AlbertConfig` of a Hugging Face `config.json`; one without `model_type` is meant the same.

    Args:
        values: the dictionary of the file.

    Raises:
        ValueError: a value breaks a rule of `AlbertConfig`, or asks for what ALBERT has not.
    """
    model_type = values.get("model_type", "albert")
    if model_type != "albert":
        raise CheckpointError(
            f"The checkpoint must be an ALBERT: config.json has model_type {model_type!r}."
        )
    positions = values.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise CheckpointError(
            f"position_embedding_type must be 'absolute': got {positions!r}, which has weights "
            "that no published ALBERT has."
        )
    config = AlbertConfig.from_dict(values | {"model_type": "albert"})
    for key in NOT_ARCHITECTURE:
        config.extras.pop(key, None)
    return config


def config_values(config, task, num_classes=None, class_names=None, dropout=None, multi_label=None):
    """The dictionary of a `config.json` that transformers reads.

    Args:
        config: `AlbertConfig` of the model.
        task: key of `ARCHITECTURES`.
        num_classes, class_names, dropout, multi_label: of the head, where it has them.
    """
    values = config_file_values(config) | {
        "model_type": "albert",
        "architectures": [ARCHITECTURES[task]],
        "hidden_act": _ACTIVATIONS.get(config.hidden_act, config.hidden_act),
        "num_hidden_groups": published_groups(config),
        "layer_norm_eps": 1e-12,
    }
    if num_classes is not None:
        names = class_names or [f"LABEL_{i}" for i in range(num_classes)]
        values["id2label"] = {str(i): name for i, name in enumerate(names)}
        values["label2id"] = {name: i for i, name in enumerate(names)}
    if dropout is not None:
        values["classifier_dropout_prob"] = dropout
    if multi_label:
        values["problem_type"] = "multi_label_classification"
    return values


def config_file_values(config):
    """The fields that a published configuration file has, without what belongs to another file."""
    values = config.to_dict()
    for key in (*NOT_ARCHITECTURE, "sharing", "factorized_tables"):
        values.pop(key, None)
    return values


def canonical(stored):
    """Gives the weights of a file the names of the table, and drops what is not a weight.

    A bare `AlbertModel` is saved without the prefix `albert.`, old files call the weights of a
    norm gamma and beta, and older ones keep the row of position numbers.
    """
    bare = not any(name.startswith("albert.") for name in stored)
    renamed = {}
    for name, weight in stored.items():
        if bare and name.startswith(("embeddings.", "encoder.", "pooler.")):
            name = f"albert.{name}"
        if name in ("albert.embeddings.position_ids", "albert.embeddings.token_type_ids"):
            continue
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
        name = name.replace("LayerNorm.beta", "LayerNorm.bias")
        renamed[name] = weight
    if "predictions.decoder.bias" in renamed and "predictions.bias" not in renamed:
        renamed["predictions.bias"] = renamed.pop("predictions.decoder.bias")
    return renamed


def class_names_from(values, num_classes):
    """Names of the classes in the order of their numbers, or None.

    Raises:
        CheckpointError: `id2label` does not have the classes that the weights have.
    """
    labels = values.get("id2label")
    if labels is None:
        return None
    names = {int(number): name for number, name in labels.items()}
    if sorted(names) != list(range(num_classes)):
        raise CheckpointError(
            f"id2label must name the {num_classes} classes of the weights, 0 to {num_classes - 1}: "
            f"got {json.dumps(labels, ensure_ascii=False)[:200]}."
        )
    return [names[number] for number in range(num_classes)]
