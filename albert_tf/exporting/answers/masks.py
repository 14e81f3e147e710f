"""Words for the masks of a text."""

import numpy as np
import tensorflow as tf

from albert_tf.exporting.answers.base import Answers, TextSignature, as_bytes, within_bounds
from albert_tf.tasks.fill_mask import are_words
from albert_tf.text.filling import MASK

MASKED_TEXTS = (
    "Plot the [MASK] array.",
    "[MASK] said (quietly): no more than [MASK].",
    "A dull story that never finds [MASK] end, full of light [MASK][MASK]!",
)
# What Python's `str.rstrip` takes off.
_TRAILING_SPACE = r"[\s\p{Z}\x{0b}\x{1c}-\x{1f}\x{85}]+\z"
_ENDS_A_WORD = r"(?s).*[\p{L}\p{N}]"


class MaskAnswers(Answers):
    """The likeliest words for each mask, as `AlbertMaskedLM.fill` gives them.

    `word`, `piece` and `probability` are `(batch, most masks, top_k)`, the likeliest first, and
    `start` and `end`, the characters of the masks, `(batch, most masks)`; `num_masks` says how
    many of each row count, and behind them stand "", 0 and -1. `filled` is the text with the
    likeliest words. Ids give `logits`, and `piece_ids` with their `probability`.
    """

    def __init__(self, model, options=None):
        super().__init__(model, options)
        if self.tokenizer is None:
            return
        self._is_hidden = ~np.array(are_words(self.tokenizer))
        self.top_k = min(self.options.top_k, int((~self._is_hidden).sum()))

    def text_signatures(self):
        if not self.reads_text:
            return []
        return [TextSignature("serving_default", ("text",), self._answer, self._expected)]

    def numbers(self, outputs):
        numbers = {"logits": tf.identity(outputs)}
        if self.tokenizer is None:
            return numbers
        chances = tf.nn.softmax(outputs)
        chances = tf.where(tf.constant(self._is_hidden), -1.0, chances)
        probability, piece_ids = tf.math.top_k(chances, self.top_k)
        return numbers | {"piece_ids": piece_ids, "probability": probability}

    def named(self, outputs):
        numbers = self.numbers(outputs)
        if self.tokenizer is None or not self.options.text:
            return numbers
        pieces = tf.constant(self.tokenizer.get_vocabulary())
        return numbers | {"piece": tf.gather(pieces, numbers["piece_ids"])}

    def _answer(self, run, texts):
        text = within_bounds(texts["text"])
        packed = self.preprocessor(text)
        numbers = self.numbers(run({name: packed[name] for name in self.model.input}))
        parts = tf.strings.split(text, MASK).with_row_splits_dtype(tf.int64)
        num_masks = tf.cast(parts.row_lengths(), tf.int32) - 1
        width = tf.reduce_max(tf.concat([num_masks, [0]], axis=0))
        is_mask = tf.sequence_mask(num_masks, width)
        piece_ids = numbers["piece_ids"][:, :width]
        start = _mask_starts(parts, width)
        vocabulary = self.tokenizer.get_vocabulary()
        pieces = tf.constant(vocabulary)
        forms = map(self.tokenizer.vocabulary.form, vocabulary)
        words, stands_apart, goes_on = map(tf.constant, zip(*forms, strict=True))
        best = tf.boolean_mask(piece_ids[..., 0], is_mask)
        form = [tf.gather(values, best) for values in (words, stands_apart, goes_on)]
        return {
            "filled": _filled(parts, *form),
            "word": tf.where(is_mask[..., None], tf.gather(words, piece_ids), ""),
            "piece": tf.where(is_mask[..., None], tf.gather(pieces, piece_ids), ""),
            "probability": tf.where(is_mask[..., None], numbers["probability"][:, :width], 0.0),
            "start": tf.where(is_mask, start, -1),
            "end": tf.where(is_mask, start + len(MASK), -1),
            "num_masks": num_masks,
        }

    def sample_rows(self):
        return {"text": list(MASKED_TEXTS)}

    def _expected(self, rows):
        filled = self.model.fill(rows["text"], self.top_k)
        width = max(len(row["masks"]) for row in filled)

        def table(read, filling):
            return [
                [read(mask) for mask in row["masks"]] + [filling] * (width - len(row["masks"]))
                for row in filled
            ]

        def of_words(field, filling):
            nothing = [filling] * self.top_k
            return table(lambda mask: [word[field] for word in mask["words"]], nothing)

        return {
            "filled": as_bytes([row["filled"] for row in filled]),
            "word": as_bytes(of_words("word", "")),
            "piece": as_bytes(of_words("piece", "")),
            "probability": np.array(of_words("probability", 0.0), np.float32),
            "start": np.array(table(lambda mask: mask["start"], -1), np.int32),
            "end": np.array(table(lambda mask: mask["end"], -1), np.int32),
            "num_masks": np.array([len(row["masks"]) for row in filled], np.int32),
        }


def _mask_starts(parts, width):
    """First character of each mask, int32 `(batch, width)`; of no meaning behind the last."""
    lengths = tf.cast(tf.strings.length(parts.values, unit="UTF8_CHAR"), tf.int32)
    lengths = parts.with_values(lengths + len(MASK)).to_tensor(0, shape=(None, None))
    return tf.cumsum(lengths, axis=1)[:, :width] - len(MASK)


def _filled(parts, words, stands_apart, goes_on):
    """Puts a word into each mask, as `filling.put_pieces` does.

    Args:
        parts: string ragged `(batch, num_masks + 1)`, what stands around the masks.
        words, stands_apart, goes_on: string and bool `(all masks,)`, see `PieceForm`.
    """
    number = tf.ragged.range(parts.row_lengths())
    is_last = number.values + 1 == tf.repeat(parts.row_lengths(), parts.row_lengths())
    before = tf.boolean_mask(parts.values, ~is_last)
    is_first = tf.boolean_mask(number.values, ~is_last) == 0
    # The word of the mask before, where nothing stands between the two.
    neighbour = tf.where(is_first, "", tf.concat([[""], words], axis=0)[:-1])
    seen = tf.where(tf.strings.length(before) > 0, before, neighbour)
    apart = tf.where(tf.strings.regex_full_match(seen, _ENDS_A_WORD), before + " ", before)
    joined = tf.strings.regex_replace(before, _TRAILING_SPACE, "")
    ended = tf.where(stands_apart, apart, tf.where(goes_on, joined, before)) + words
    places = tf.where(is_last, 0, tf.cumsum(tf.cast(~is_last, tf.int32)))
    pieces = tf.where(is_last, parts.values, tf.gather(tf.concat([[""], ended], axis=0), places))
    return tf.strings.reduce_join(parts.with_values(pieces), axis=-1)
