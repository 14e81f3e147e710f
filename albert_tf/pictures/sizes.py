"""What ALBERT's two ideas save, part by part (paper §3.1): shared layers, a narrow word table."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.pictures.picture import COLOURS, new_picture

# A float32 each for the weight, its gradient and the two moments of Adam, AdamW and LAMB.
TRAINING_BYTES = 16
PARTS = ("word table", "attention", "feed-forward", "all else")


def bert_of(config: AlbertConfig, vocab_size: int = 30_522) -> AlbertConfig:
    """The BERT of the same width and depth: layers of their own, words as wide as the encoder.

    With ALBERT-base's numbers and BERT's vocabulary that is BERT-base, 109,482,240 weights.
    """
    return dataclasses.replace(
        config, vocab_size=vocab_size, embedding_size=config.hidden_size, sharing="none"
    )


def parameter_parts(config: AlbertConfig) -> dict[str, int]:
    """Where the weights of a backbone are; they sum up to `config.num_params`."""
    h, i = config.hidden_size, config.intermediate_size
    parts = {
        "word table": config.vocab_size * config.embedding_size,
        "attention": config.num_sets("attention") * (4 * (h + 1) * h + 2 * h),
        "feed-forward": config.num_sets("ffn") * ((h + 1) * i + (i + 1) * h + 2 * h),
    }
    return parts | {"all else": config.num_params - sum(parts.values())}


def draw_sizes(configs: Mapping[str, AlbertConfig]):
    """Weights by part, and the memory that they take in training, as bars.

    Args:
        configs: name -> configuration, drawn from the top.
    """
    picture, panels = new_picture(2, width=10, height=1.3 + 0.5 * len(configs))
    parts = {name: parameter_parts(config) for name, config in configs.items()}
    for axes, factor, form in (
        (panels[0], 1e-6, "{:.1f}"),
        (panels[1], TRAINING_BYTES / 1e9, "{:.2f}"),
    ):
        begin = np.zeros(len(configs))
        for part, colour in zip(PARTS, COLOURS, strict=False):
            width = factor * np.array([parts[name][part] for name in configs])
            axes.barh(range(len(configs)), width, left=begin, color=colour, label=part)
            begin += width
        for place, total in enumerate(begin):
            axes.text(total, place, " " + form.format(total), va="center", fontsize=9)
        axes.set_xlim(0, 1.15 * begin.max())
        axes.set_yticks(range(len(configs)), list(configs))
        axes.invert_yaxis()
    panels[0].set(title="weights", xlabel="millions")
    panels[1].set(title="weights, gradients and moments", xlabel="gigabytes in training, float32")
    panels[1].set_yticklabels([])
    panels[1].legend(frameon=False, loc="lower right")
    return picture
