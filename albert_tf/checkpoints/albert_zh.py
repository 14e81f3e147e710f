"""TF1 checkpoints of brightmart/albert_zh, whose code has a layout of its own.

Only its words are factorized: position and segment tables are H wide, and a product without
bias, `word_embeddings_2`, stands between the words and the sum. The one layer is `layer_shared`.
"""

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.table import Row, Table
from albert_tf.checkpoints.tf1 import HEADS, dense, norm

_LAYER = "bert/encoder/layer_shared"

TABLE = Table(
    family="albert_zh's TF1 format",
    embeddings=(
        Row("embeddings/word_embeddings/embeddings", "bert/embeddings/word_embeddings"),
        Row("embeddings/position_embeddings/embeddings", "bert/embeddings/position_embeddings"),
        Row("embeddings/token_type_embeddings/embeddings", "bert/embeddings/token_type_embeddings"),
        *norm("embeddings/layer_norm", "bert/embeddings/LayerNorm"),
    ),
    projection=(Row("embeddings/word_projection/kernel", "bert/embeddings/word_embeddings_2"),),
    layer=(
        *dense("encoder/attention_{g}_{i}/query", f"{_LAYER}/attention/self/query"),
        *dense("encoder/attention_{g}_{i}/key", f"{_LAYER}/attention/self/key"),
        *dense("encoder/attention_{g}_{i}/value", f"{_LAYER}/attention/self/value"),
        *dense("encoder/attention_{g}_{i}/output", f"{_LAYER}/attention/output/dense"),
        *norm("encoder/attention_{g}_{i}/layer_norm", f"{_LAYER}/attention/output/LayerNorm"),
        *dense("encoder/ffn_{g}_{i}/intermediate", f"{_LAYER}/intermediate/dense"),
        *dense("encoder/ffn_{g}_{i}/output", f"{_LAYER}/output/dense"),
        *norm("encoder/ffn_{g}_{i}/layer_norm", f"{_LAYER}/output/LayerNorm"),
    ),
    pooler=dense("pooler/dense", "bert/pooler/dense"),
    heads=HEADS,
)


def is_layout_of(names):
    """Whether these (canonical) names are those of albert_zh's own code."""
    return any(name.startswith(f"{_LAYER}/") for name in names)


def check_config(config):
    """Refuses what shares the names but not the arithmetic.

    Raises:
        CheckpointError: the layer norm stands before the sub-layers (albert_zh's xlarge).
    """
    if config.extras.get("ln_type", "postln") != "postln":
        raise CheckpointError(
            f"ln_type must be 'postln', as in ALBERT: got {config.extras['ln_type']!r}. "
            "This checkpoint normalizes before the sub-layers, which is another model."
        )
