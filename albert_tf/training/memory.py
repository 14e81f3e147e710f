"""How much memory a training takes, before it begins."""

import math


def memory_estimate(model, settings, rows, tokens_a_row) -> dict[str, int]:
    """Bytes that a run will about take, beside TensorFlow itself.

    The weights are there once more as the best ones, all that is trained has a gradient and two
    moments. Of the activations of an encoder step training keeps, in numbers a token, about 10
    hidden vectors, 6 of the feed-forward width and 3 rows of attention scores a head; a CPU with
    ALBERT-base at 4 x 128 tokens was measured to take 0.84 GB for a step, this says 0.87.

    Args:
        model: the task, LoRA and freezing done.
        settings: `FineTuneSettings`.
        rows: that an update is made of.
        tokens_a_row: length of the longest rows.

    Returns:
        `weights`, `optimizer` (gradients and moments), `activations`, and their `total`.
    """
    config = model.backbone.albert_config
    number = 2 if model.backbone.compute_dtype in ("bfloat16", "float16") else 4
    trained = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    rows = math.ceil(rows / settings.accumulate)
    of_token = (
        10 * config.hidden_size
        + 6 * config.intermediate_size
        + 3 * config.num_attention_heads * tokens_a_row
    )
    parts = {
        "weights": 2 * 4 * model.count_params(),
        "optimizer": 4 * trained * (3 + (settings.ema is not None) + (settings.accumulate > 1)),
        "activations": number * of_token * rows * tokens_a_row * config.num_hidden_layers,
    }
    return parts | {"total": sum(parts.values())}
