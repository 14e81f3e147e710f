"""Passage, question and choices to the arrays that a multiple choice model takes."""

import keras
import keras_hub
import tensorflow as tf

from albert_tf.data.packing import pack_segments
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.preprocessing import FitsModel
from albert_tf.text.nested import as_text
from albert_tf.tokenizer import AlbertTokenizer

NUM_SPECIAL = 3
BLANK = "_"


@keras.saving.register_keras_serializable("albert_tf")
class AlbertMultipleChoicePreprocessor(FitsModel, keras_hub.models.Preprocessor):
    """Packs a row for each choice, in the graph: [CLS] passage [SEP] question and choice [SEP].

    As in the original (race_utils.py): every `_` of the question becomes the choice; without one
    the choice follows the question. Of question and choice the last `max_qa_length` tokens stay,
    and the passage is cut at its end to what room is left.

    Args:
        tokenizer: `AlbertTokenizer`.
        sequence_length: longest row in tokens, special tokens included. Rows are padded to the
            longest of their batch.
        max_qa_length: most tokens of question and choice; None for the original's 128, or half of
            a row that is shorter than 256.

    Call arguments:
        x: a dictionary of `choices`, string `(batch, num_choices)` or ragged, where the number
            varies; and, where there are such, `text`, the passages, and `question`, string
            `(batch,)`.
        y, sample_weight: passed on.

    Returns:
        Dictionary of `token_ids`, `segment_ids` and `padding_mask`, int32 `(batch, most choices,
        longest row)`. The rows of choices that a question does not have are all padding, and the
        model gives them no probability. A tuple with `y` and `sample_weight` where they are given.
    """

    backbone_cls = AlbertBackbone
    tokenizer_cls = AlbertTokenizer

    def __init__(self, tokenizer, sequence_length=512, max_qa_length=None, **kwargs):
        super().__init__(**kwargs)
        limit = min(128, sequence_length // 2) if max_qa_length is None else max_qa_length
        if not 0 < limit <= sequence_length - NUM_SPECIAL:
            raise ValueError(
                f"max_qa_length must fit in a row beside {NUM_SPECIAL} special tokens: got "
                f"{limit} for sequence_length {sequence_length}."
            )
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.max_qa_length = limit

    def call(self, x, y=None, sample_weight=None):
        with tf.device("cpu"):
            passages, questions, choices = self._texts(x)
            row_of = choices.value_rowids()
            asked = self._filled(questions, choices.values, row_of)
            longest = self.sequence_length - NUM_SPECIAL
            read = self.tokenizer.tokenize_beginning(passages, longest)
            asked = self.tokenizer(asked)[:, -self.max_qa_length :]
            read = tf.gather(read[:, :longest], row_of)
            room = longest - asked.row_lengths()
            fits = tf.ragged.range(read.row_lengths())
            fits = fits.with_values(fits.values < tf.repeat(room, read.row_lengths()))
            read = tf.ragged.boolean_mask(read, fits)
            rows = pack_segments((read, asked), self.sequence_length, self.tokenizer)
            packed = {
                name: choices.with_values(value).to_tensor(
                    self.tokenizer.pad_token_id if name == "token_ids" else 0,
                    shape=(None, None, None),
                )
                for name, value in rows.items()
            }
        return keras.utils.pack_x_y_sample_weight(packed, y, sample_weight)

    def _texts(self, x):
        """Passages, questions `(batch,)` and choices, int64 ragged."""
        names = {"text", "question", "choices"}
        if not isinstance(x, dict) or "choices" not in x or not set(x) <= names:
            got = ", ".join(sorted(x)) if isinstance(x, dict) else f"a {type(x).__name__}"
            raise ValueError(
                "Questions come as a dictionary of choices, and perhaps text and question: got "
                f"{got}."
            )
        choices = as_text(x["choices"])
        if choices.shape.rank != 2:
            raise ValueError(
                f"choices must be lists of texts, (batch, num_choices): got shape {choices.shape}."
            )
        if isinstance(choices, tf.Tensor):
            choices = tf.RaggedTensor.from_tensor(choices)
        choices = choices.with_row_splits_dtype(tf.int64)
        nothing = tf.fill([choices.nrows()], "")
        passages, questions = (
            as_text(x[name]) if name in x else nothing for name in ("text", "question")
        )
        return passages, questions, choices

    def _filled(self, questions, choices, row_of):
        """For each choice its question with it in the blanks or, without blanks, behind."""
        # Cleaned first, as in the original: compatibility forms of the blank are blanks.
        texts = self.tokenizer.clean(tf.concat([questions, choices], axis=0))
        num_questions = tf.shape(questions)[0]
        questions, choices = tf.gather(texts[:num_questions], row_of), texts[num_questions:]
        parts = tf.strings.split(questions, BLANK).with_row_splits_dtype(tf.int64)
        is_last = tf.range(tf.shape(parts.values, tf.int64)[0]) + 1
        is_last = is_last == tf.repeat(parts.row_limits(), parts.row_lengths())
        blanks = tf.where(is_last, "", tf.repeat(choices, parts.row_lengths()))
        filled = tf.strings.reduce_join(parts.with_values(parts.values + blanks), axis=-1)
        has_blank = parts.row_lengths() > 1
        return tf.where(has_blank, filled, tf.strings.join([questions, choices], separator=" "))

    def get_config(self):
        return super().get_config() | {
            "sequence_length": self.sequence_length,
            "max_qa_length": self.max_qa_length,
        }
