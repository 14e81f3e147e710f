"""Presets of keras_hub's own AlbertBackbone: names, shapes, and the configuration."""

import keras_hub
import numpy as np
from keras import ops

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.projection import identity
from albert_tf.checkpoints.table import Row, Table, published_groups
from albert_tf.checkpoints.weights import gather, stored_array
from albert_tf.config import AlbertConfig


def _dense(ours, theirs):
    return (Row(f"{ours}/kernel", f"{theirs}/kernel"), Row(f"{ours}/bias", f"{theirs}/bias"))


def _norm(ours, theirs):
    return (Row(f"{ours}/gamma", f"{theirs}/gamma"), Row(f"{ours}/beta", f"{theirs}/beta"))


_LAYER = "group_{g}_inner_layer_{i}"
_ATTENTION = f"{_LAYER}/self_attention_layer"

TABLE = Table(
    family="keras_hub",
    embeddings=(
        Row("embeddings/word_embeddings/embeddings", "token_embedding/embeddings"),
        Row("embeddings/position_embeddings/embeddings", "position_embedding/embeddings"),
        Row("embeddings/token_type_embeddings/embeddings", "segment_embedding/embeddings"),
        *_norm("embeddings/layer_norm", "embeddings_layer_norm"),
    ),
    projection=_dense("embedding_projection", "embedding_projection"),
    layer=(
        *_dense("encoder/attention_{g}_{i}/query", f"{_ATTENTION}/query"),
        *_dense("encoder/attention_{g}_{i}/key", f"{_ATTENTION}/key"),
        *_dense("encoder/attention_{g}_{i}/value", f"{_ATTENTION}/value"),
        *_dense("encoder/attention_{g}_{i}/output", f"{_ATTENTION}/attention_output"),
        *_norm("encoder/attention_{g}_{i}/layer_norm", f"{_LAYER}/self_attention_layer_norm"),
        *_dense("encoder/ffn_{g}_{i}/intermediate", f"{_LAYER}/feedforward_intermediate_dense"),
        *_dense("encoder/ffn_{g}_{i}/output", f"{_LAYER}/feedforward_output_dense"),
        *_norm("encoder/ffn_{g}_{i}/layer_norm", f"{_LAYER}/feedforward_layer_norm"),
    ),
    pooler=_dense("pooler/dense", "pooled_dense"),
    always_projects=True,
)


def config_from(theirs):
    """`AlbertConfig` of a keras_hub backbone, which knows one dropout and the tanh GELU."""
    return AlbertConfig(
        vocab_size=theirs.vocabulary_size,
        embedding_size=theirs.embedding_dim,
        hidden_size=theirs.hidden_dim,
        num_hidden_layers=theirs.num_layers,
        num_hidden_groups=theirs.num_groups,
        inner_group_num=theirs.num_inner_repetitions,
        num_attention_heads=theirs.num_heads,
        intermediate_size=theirs.intermediate_dim,
        hidden_dropout_prob=theirs.dropout,
        attention_probs_dropout_prob=theirs.dropout,
        max_position_embeddings=theirs.max_sequence_length,
        type_vocab_size=theirs.num_segments,
    )


def read(theirs):
    """All weights of a keras_hub backbone by path, in the shapes of ours."""
    hidden_size = theirs.hidden_dim
    return {
        weight.path: stored_array(flattened(weight.path, ops.convert_to_numpy(weight), hidden_size))
        for weight in theirs.weights
    }


def flattened(path, array, hidden_size):
    """The array with heads and their width as one axis, where keras_hub has two."""
    if "/self_attention_layer/" not in path:
        return array
    shape = (hidden_size, hidden_size) if path.endswith("kernel") else (hidden_size,)
    return np.reshape(array, shape)


def twin(config, dtype="float32"):
    """keras_hub's backbone of the same shape, with fresh weights, one dropout and the tanh GELU.

    Sharing attention or feed-forward alone is unknown to it: what the attention shares, all does.

    Args:
        config: `AlbertConfig`.
        dtype: Keras dtype policy.
    """
    return keras_hub.models.AlbertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        embedding_dim=config.embedding_size,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        num_groups=config.num_sets("attention") // config.inner_group_num,
        num_inner_repetitions=config.inner_group_num,
        dropout=config.hidden_dropout_prob,
        max_sequence_length=config.max_position_embeddings,
        num_segments=config.type_vocab_size,
        dtype=dtype,
    )


def build(backbone):
    """keras_hub's backbone with the weights of ours, float32.

    Raises:
        CheckpointError: keras_hub has no such model.
    """
    config = backbone.albert_config
    _check_expressible(backbone)
    theirs = twin(config)
    arrays = gather(backbone, TABLE.rows(config), "A keras_hub preset") | identity(TABLE, config)
    for weight in theirs.weights:
        weight.assign(np.reshape(arrays[weight.path], weight.shape))
    return theirs


def _check_expressible(backbone):
    config = backbone.albert_config
    dropouts = (config.hidden_dropout_prob, config.attention_probs_dropout_prob)
    problems = {
        f"hidden_act must be gelu: got {config.hidden_act!r}": config.hidden_act
        not in ("gelu", "gelu_new"),
        "the backbone must have a pooler": not backbone.include_pooler,
        f"both dropouts must be equal: got {dropouts[0]} and {dropouts[1]}": dropouts[0]
        != dropouts[1],
        f"num_hidden_groups must divide num_hidden_layers: got {config.num_hidden_groups} and "
        f"{config.num_hidden_layers}": config.num_hidden_layers % published_groups(config) != 0,
        "factorized_tables must be 'all'": config.factorized_tables != "all",
    }
    found = [problem for problem, is_met in problems.items() if is_met]
    if found:
        raise CheckpointError(f"keras_hub's AlbertBackbone has no such model: {'; '.join(found)}.")
