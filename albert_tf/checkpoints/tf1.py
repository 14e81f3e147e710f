"""TF1 checkpoints of the original: names, the files beside them, reading and writing."""

import dataclasses
import re

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.table import Row, Table
from albert_tf.checkpoints.weights import Stored


def dense(ours, published):
    """Rows of a product with bias, kernel `(inputs, outputs)` on both sides."""
    return (
        Row(f"{ours}/kernel", f"{published}/kernel"),
        Row(f"{ours}/bias", f"{published}/bias"),
    )


def norm(ours, published):
    """Rows of a layer norm."""
    return (Row(f"{ours}/gamma", f"{published}/gamma"), Row(f"{ours}/beta", f"{published}/beta"))


def output_layer(ours, prefix):
    """Rows of a head that was written out by hand, its weights `(outputs, inputs)`."""
    return (
        Row(f"{ours}/kernel", f"{prefix}output_weights", transposed=True),
        Row(f"{ours}/bias", f"{prefix}output_bias"),
    )


HEADS = {
    "masked_lm_head": (
        *dense("masked_lm_head/dense", "cls/predictions/transform/dense"),
        *norm("masked_lm_head/layer_norm", "cls/predictions/transform/LayerNorm"),
        Row("masked_lm_head/output_bias", "cls/predictions/output_bias"),
    ),
    "sentence_order_head": output_layer("sentence_order_head/dense", "cls/seq_relationship/"),
    "classifier": output_layer("classifier/dense", ""),
    "choice_head": output_layer("choice_head/dense", ""),
    "span_head": output_layer("span_head/dense", "cls/squad/"),
    "conditional_span_head": (
        *dense("conditional_span_head/start", "start_logits/dense"),
        *dense("conditional_span_head/end_hidden", "end_logits/dense_0"),
        *norm("conditional_span_head/end_norm", "end_logits/LayerNorm"),
        *dense("conditional_span_head/end", "end_logits/dense_1"),
        *dense("conditional_span_head/answer_hidden", "answer_class/dense_0"),
        Row("conditional_span_head/answer/kernel", "answer_class/dense_1/kernel"),
    ),
}

_LAYER = "bert/encoder/transformer/group_{g}/inner_group_{i}"

TABLE = Table(
    family="the original's TF1 format",
    embeddings=(
        Row("embeddings/word_embeddings/embeddings", "bert/embeddings/word_embeddings"),
        Row("embeddings/position_embeddings/embeddings", "bert/embeddings/position_embeddings"),
        Row("embeddings/token_type_embeddings/embeddings", "bert/embeddings/token_type_embeddings"),
        *norm("embeddings/layer_norm", "bert/embeddings/LayerNorm"),
    ),
    projection=dense("embedding_projection", "bert/encoder/embedding_hidden_mapping_in"),
    layer=(
        *dense("encoder/attention_{g}_{i}/query", f"{_LAYER}/attention_1/self/query"),
        *dense("encoder/attention_{g}_{i}/key", f"{_LAYER}/attention_1/self/key"),
        *dense("encoder/attention_{g}_{i}/value", f"{_LAYER}/attention_1/self/value"),
        *dense("encoder/attention_{g}_{i}/output", f"{_LAYER}/attention_1/output/dense"),
        *norm("encoder/attention_{g}_{i}/layer_norm", f"{_LAYER}/LayerNorm"),
        *dense("encoder/ffn_{g}_{i}/intermediate", f"{_LAYER}/ffn_1/intermediate/dense"),
        *dense("encoder/ffn_{g}_{i}/output", f"{_LAYER}/ffn_1/intermediate/output/dense"),
        *norm("encoder/ffn_{g}_{i}/layer_norm", f"{_LAYER}/LayerNorm_1"),
    ),
    pooler=dense("pooler/dense", "bert/pooler/dense"),
    heads=HEADS,
)

# Slots of the optimizers and counters, which are no weights.
_TRAINING_STATE = re.compile(
    r"(^|/)(global_step|beta[12]_power|loss_scale|current_loss_scale|good_steps)$"
    r"|/(adam_m|adam_v|Adam|Adam_1|AdamWeightDecayOptimizer|AdamWeightDecayOptimizer_1)$"
)
_GROUP = re.compile(r"/group_(\d+)/")


def canonical(stored):
    """Gives the weights of a file the names of the table, and drops the optimizer's state."""
    return {
        name.removeprefix("module/"): weight
        for name, weight in stored.items()
        if not _TRAINING_STATE.search(name)
    }


def used_groups(stored, config):
    """Numbers groups by their use where there are more groups than steps.

    The original creates a group when a step asks for it: 12 groups over 4 steps leave groups 0,
    3, 6 and 9 in the file, which is the same model as 4 groups over 4 steps.

    Returns:
        `stored` and `config` of the model that has only the groups in use.
    """
    if config.num_hidden_groups <= config.num_hidden_layers:
        return stored, config
    numbers = {config.group_of(step): step for step in range(config.num_hidden_layers)}
    in_file = {int(g) for name in stored for g in _GROUP.findall(name)}
    if not in_file <= set(numbers):
        return stored, config

    def renumbered(match):
        return f"/group_{numbers[int(match[1])]}/"

    renamed = {_GROUP.sub(renumbered, name): weight for name, weight in stored.items()}
    return renamed, dataclasses.replace(config, num_hidden_groups=len(numbers))


def read(prefix):
    """All tensors of a TF1 checkpoint, under the names of the file.

    Raises:
        CheckpointError: the files are damaged or incomplete.
    """
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise CheckpointError(f"{prefix} cannot be read as a TF1 checkpoint: {error}.") from error

    def values(name):
        try:
            return reader.get_tensor(name)
        except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
            raise CheckpointError(
                f"{name} cannot be read from {prefix}: {error}. Are the files complete?"
            ) from error

    return {
        name: Stored(tuple(shape), lambda name=name: values(name))
        for name, shape in sorted(shapes.items())
    }


def write(directory, arrays, name="model.ckpt-best"):
    """Writes arrays as a TF1 checkpoint with one shard, and the file `checkpoint` beside it.

    Args:
        directory: where to write, an existing directory.
        arrays: name -> array.
        name: of the checkpoint; the original calls its best one `model.ckpt-best`.
    """
    import tensorflow as tf

    names = sorted(arrays)
    tf.raw_ops.SaveV2(
        prefix=str(directory / name),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(arrays[name]) for name in names],
    )
    text = f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    (directory / "checkpoint").write_text(text, encoding="utf-8")
