"""Raw texts, or pairs of them, to the arrays that an embedder takes."""

import keras
import keras_hub
import tensorflow as tf

from albert_tf.data.packing import pack_segments
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.preprocessing import FitsModel
from albert_tf.text.nested import as_text
from albert_tf.tokenizer import AlbertTokenizer


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTextEmbedderPreprocessor(FitsModel, keras_hub.models.Preprocessor):
    """Tokenizes texts and packs each into a row of its own, in the graph.

    Args:
        tokenizer: `AlbertTokenizer`.
        sequence_length: longest row in tokens, [CLS] and [SEP] included; longer text is cut.

    Call arguments:
        x: a list or string tensor `(batch,)`; for pairs a tuple of two of them, or a dictionary of
            `text` and `text_pair`.
        y, sample_weight: passed on.

    Returns:
        Dictionary of `token_ids`, `segment_ids` and `padding_mask`, int32 `(batch, longest row)`,
        for pairs `(batch, 2, longest row)`; a tuple with `y` and `sample_weight` where they are
        given.
    """

    backbone_cls = AlbertBackbone
    tokenizer_cls = AlbertTokenizer

    def __init__(self, tokenizer, sequence_length=128, **kwargs):
        super().__init__(**kwargs)
        if sequence_length < 3:
            raise ValueError(
                f"sequence_length must leave room beside [CLS] and [SEP]: got {sequence_length}."
            )
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length

    def __call__(self, x, y=None, sample_weight=None, **kwargs):
        # keras_hub takes a lone tuple for (x, y); here it is a pair of texts.
        return super().__call__(x, y=y, sample_weight=sample_weight, **kwargs)

    def call(self, x, y=None, sample_weight=None):
        with tf.device("cpu"):
            columns = [as_text(column) for column in _columns(x)]
            for column in columns:
                if column.shape.rank != 1:
                    raise ValueError(
                        f"Texts come as a list or a tensor (batch,): got shape {column.shape}."
                    )
            # In one call: to build the tokenizer's graph takes longer than to run it.
            texts, longest = tf.reshape(tf.stack(columns, axis=1), [-1]), self.sequence_length
            ids = self.tokenizer.tokenize_beginning(texts, longest)
            packed = pack_segments((ids,), longest, self.tokenizer)
            if len(columns) == 2:
                width = tf.shape(packed["token_ids"])[1]
                packed = {
                    name: tf.reshape(rows, [-1, len(columns), width])
                    for name, rows in packed.items()
                }
        return keras.utils.pack_x_y_sample_weight(packed, y, sample_weight)

    def get_config(self):
        return super().get_config() | {"sequence_length": self.sequence_length}


def _columns(x):
    """The one or two columns of texts of any of the forms that a call takes."""
    if isinstance(x, dict):
        if set(x) not in ({"text"}, {"text", "text_pair"}):
            raise ValueError(
                f"Text comes under the names text and text_pair: got {', '.join(sorted(x))}."
            )
        return [x[name] for name in ("text", "text_pair") if name in x]
    if isinstance(x, tuple):
        if len(x) != 2:
            raise ValueError(f"A tuple of texts must be a pair: got {len(x)} parts.")
        return list(x)
    return [x]
