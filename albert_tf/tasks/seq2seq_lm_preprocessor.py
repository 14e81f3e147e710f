"""Raw sources and targets to the arrays that a sequence-to-sequence model takes, and back."""

import keras
import keras_hub
import tensorflow as tf

from albert_tf.data.packing import pack_segments
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.preprocessing import FitsModel
from albert_tf.text.nested import as_text
from albert_tf.tokenizer import AlbertTokenizer

# Widths of sources in generation are multiples of it, so that graphs are traced for a few.
WIDTH_STEP = 8


@keras.saving.register_keras_serializable("albert_tf")
class AlbertSeq2SeqLMPreprocessor(FitsModel, keras_hub.models.Preprocessor):
    """Tokenizes sources and targets with one vocabulary and packs them, in the graph.

    Args:
        tokenizer: `AlbertTokenizer`; what it lowers is lower in the answers too.
        sequence_length: longest source in tokens, [CLS] and [SEP] included; more is cut.
        decoder_sequence_length: longest target, alike; None for that of the sources.

    Call arguments:
        x: sources, a list or string tensor `(batch,)`; or a dictionary of `encoder_text` and, with
            the targets, `decoder_text`.
        y: targets, as `x`; None where `x` has them, or there are none.

    Returns:
        A dictionary of `token_ids`, `segment_ids` and `padding_mask`, int32 `(batch, longest
        source)`. With targets a triple: beside them `decoder_token_ids`, int32 `(batch, longest
        target - 1)`, [CLS] and all but the last token; the tokens that follow each; and their
        weights, float32, 0 for padding.
    """

    backbone_cls = AlbertBackbone
    tokenizer_cls = AlbertTokenizer

    def __init__(self, tokenizer, sequence_length=128, decoder_sequence_length=None, **kwargs):
        super().__init__(**kwargs)
        decoder_sequence_length = decoder_sequence_length or sequence_length
        for name, length in (
            ("sequence_length", sequence_length),
            ("decoder_sequence_length", decoder_sequence_length),
        ):
            if length < 3:
                raise ValueError(f"{name} must leave room beside [CLS] and [SEP]: got {length}.")
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.decoder_sequence_length = decoder_sequence_length

    def call(self, x, y=None, sample_weight=None):
        with tf.device("cpu"):
            sources, targets = _columns(x, y)
            inputs = self._packed(sources, self.sequence_length)
            if targets is None:
                return inputs
            written = self._packed(targets, self.decoder_sequence_length)
            inputs["decoder_token_ids"] = written["token_ids"][:, :-1]
            weights = tf.cast(written["padding_mask"][:, 1:], tf.float32)
            if sample_weight is not None:
                weights *= tf.cast(tf.reshape(sample_weight, [-1, 1]), tf.float32)
        return inputs, written["token_ids"][:, 1:], weights

    def generate_preprocess(self, x, max_length=None):
        """Sources, and beginnings of answers where `x` has them, as arrays for generation.

        Args:
            x: sources as in a call; `decoder_text` is what each answer begins with.
            max_length: longest answer in tokens, [CLS] and [SEP] included; None for
                `decoder_sequence_length`.

        Returns:
            A dictionary of what a call gives for sources, padded to a multiple of 8; and of
            `decoder_token_ids` and `decoder_padding_mask`, int32 `(batch, max_length)`, 1 where
            a token is given.
        """
        max_length = max_length or self.decoder_sequence_length
        with tf.device("cpu"):
            sources, begun = _columns(x, None)
            inputs = self._packed(sources, self.sequence_length)
            missing = -tf.shape(inputs["token_ids"])[1] % WIDTH_STEP
            pad = {"token_ids": self.tokenizer.pad_token_id}
            inputs = {
                name: tf.pad(rows, [[0, 0], [0, missing]], constant_values=pad.get(name, 0))
                for name, rows in inputs.items()
            }
            num_rows = tf.shape(inputs["token_ids"])[0]
            ids = tf.fill([num_rows, 0], 0) if begun is None else self.tokenizer(begun)
            start = tf.fill([num_rows, 1], tf.cast(self.tokenizer.start_token_id, tf.int32))
            # One place is left for what is to be written.
            ids = tf.concat([start, ids], axis=1)[:, : max_length - 1]
            if not isinstance(ids, tf.RaggedTensor):
                ids = tf.RaggedTensor.from_tensor(ids)
            shape = (None, max_length)
            inputs["decoder_token_ids"] = ids.to_tensor(self.tokenizer.pad_token_id, shape=shape)
            lengths = ids.row_lengths()
            given = tf.sequence_mask(lengths, max_length, dtype=tf.int32)
            inputs["decoder_padding_mask"] = given
        return inputs

    def generate_postprocess(self, x):
        """The texts of generated ids, string tensor `(batch,)`; what follows the end is dropped."""
        with tf.device("cpu"):
            ids = tf.cast(x["decoder_token_ids"], tf.int32)
            is_text = tf.cast(x["decoder_padding_mask"], tf.bool)
            special = (self.tokenizer.start_token_id, self.tokenizer.end_token_id)
            for token in (*special, self.tokenizer.pad_token_id):
                is_text &= ids != token
            return self.tokenizer.detokenize(tf.ragged.boolean_mask(ids, is_text))

    def _packed(self, texts, longest):
        ids = self.tokenizer.tokenize_beginning(texts, longest)
        return pack_segments((ids,), longest, self.tokenizer)

    def get_config(self):
        return super().get_config() | {
            "sequence_length": self.sequence_length,
            "decoder_sequence_length": self.decoder_sequence_length,
        }


def _columns(x, y):
    """Sources and targets of any of the forms that a call takes; None for no targets."""
    if isinstance(x, dict):
        if "encoder_text" not in x or set(x) - {"encoder_text", "decoder_text"}:
            raise ValueError(
                f"Texts come under the names encoder_text and decoder_text: got "
                f"{', '.join(sorted(x))}."
            )
        if y is not None and "decoder_text" in x:
            raise ValueError("Targets come as decoder_text or as y: got both.")
        x, y = x["encoder_text"], x.get("decoder_text", y)
    columns = [column if column is None else as_text(column) for column in (x, y)]
    for column in columns:
        if column is not None and column.shape.rank != 1:
            raise ValueError(
                f"Texts come as a list or a tensor (batch,): got shape {column.shape}."
            )
    return columns
