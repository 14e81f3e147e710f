"""Raw text to the arrays that a classifier takes."""

import keras
import keras_hub
import tensorflow as tf

from albert_tf.data.packing import pack_segments
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.preprocessing import FitsModel
from albert_tf.tokenizer import AlbertTokenizer


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTextClassifierPreprocessor(FitsModel, keras_hub.models.TextClassifierPreprocessor):
    """Tokenizes single texts or pairs and packs them, in the graph.

    Args:
        tokenizer: `AlbertTokenizer`.
        sequence_length: longest row in tokens, special tokens included; longer text is cut.
            Rows are padded to the longest of their batch, not to this length.

    Call arguments:
        x: a string, a list or string tensor `(batch,)`, a tuple of two of them for pairs, or a
            dictionary of `text` and, for pairs, `text_pair`.
        y, sample_weight: passed on.

    Returns:
        Dictionary of `token_ids`, `segment_ids` and `padding_mask`, int32 `(batch, longest row)`;
        a tuple with `y` and `sample_weight` where they are given.
    """

    backbone_cls = AlbertBackbone
    tokenizer_cls = AlbertTokenizer

    def __init__(self, tokenizer, sequence_length=512, **kwargs):
        kwargs.setdefault("truncate", "longest_first")
        if kwargs["truncate"] != "longest_first":
            raise ValueError(
                f"truncate must be 'longest_first', as in the original: got {kwargs['truncate']!r}."
            )
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)

    def __call__(self, x, y=None, sample_weight=None, **kwargs):
        # keras_hub takes a lone tuple for (x, y); here it is a pair of texts.
        return super().__call__(x, y=y, sample_weight=sample_weight, **kwargs)

    def call(self, x, y=None, sample_weight=None):
        with tf.device("cpu"):
            segments = [tf.convert_to_tensor(segment) for segment in _segments(x)]
            for segment in segments:
                if (segment.shape.rank or 0) > 1:
                    raise ValueError(
                        "Texts come as a list or a tensor (batch,), pairs as a tuple of two: got "
                        f"shape {segment.shape}."
                    )
            single = segments[0].shape.rank == 0
            if single:
                segments = [tf.expand_dims(segment, 0) for segment in segments]
            longest = self.sequence_length
            ids = tuple(self.tokenizer.tokenize_beginning(part, longest) for part in segments)
            packed = pack_segments(ids, self.sequence_length, self.tokenizer)
            if single:
                packed = {name: value[0] for name, value in packed.items()}
        return keras.utils.pack_x_y_sample_weight(packed, y, sample_weight)


def _segments(x):
    """The one or two segments of any of the forms that a call takes."""
    if isinstance(x, dict):
        unknown = set(x) - {"text", "text_pair"}
        if unknown or "text" not in x:
            raise ValueError(
                f"Text comes under the names text and text_pair: got {', '.join(sorted(x))}."
            )
        return [x["text"], x["text_pair"]] if "text_pair" in x else [x["text"]]
    return list(x) if isinstance(x, tuple) else [x]
