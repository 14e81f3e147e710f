"""Raw text to rows of ids with operators that TFLite has: the tokenizer inside the file.

Two of them are tensorflow-text's, `FastSentencepieceTokenize` and `RaggedTensorToTensor`; an app
links them in. Everything behind the tokenizer is dense: there are no kernels for ragged tensors.
"""

import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.data.packing import truncated_lengths
from albert_tf.exporting.answers.classes import ClassAnswers, OrderAnswers
from albert_tf.exporting.answers.embeddings import EmbeddingAnswers
from albert_tf.text.normalizing_model import normalizing_proto
from albert_tf.text.sentencepiece_model import SentencePieceModel

NOTHING = -1


class TextGraph:
    """Takes a dictionary of texts, gives the inputs of the network.

    The ids are those of the tokenizer, but for a capital sigma at the end of a word, which becomes
    "σ" (`albert_tf.text.normalizing_model`).

    Args:
        answers: `Answers` of a model that reads whole texts or pairs.
        seq_len: of the rows, in tokens, or None for as long as a text needs. Longer text is cut.

    Attributes:
        inputs: names of the texts.

    Raises:
        ValueError: the task finds places in the text, which the operators do not tell, or its
            tokenizer is WordPiece or keeps accents.
    """

    def __init__(self, answers, seq_len):
        if not isinstance(answers, (ClassAnswers, OrderAnswers, EmbeddingAnswers)):
            raise ValueError(
                "The signature text is for classes, scores, embeddings and sentence order: the "
                f"operators tell no places in a text, which {type(answers.model).__name__} gives. "
                "LightModel answers for it with the signature tokens."
            )
        tokenizer = answers.tokenizer
        if tokenizer is None or not answers.text_inputs:
            raise ValueError("The signature text needs a model with a preprocessor.")
        if not isinstance(tokenizer.vocabulary, SentencePieceModel):
            raise ValueError(
                "The signature text needs a SentencePiece vocabulary: this model has a WordPiece "
                "vocab.txt, and TFLite has no operators for its clean-up. Leave text out: the file "
                "carries the vocabulary, with which LightModel asks the signature tokens."
            )
        if tokenizer.keep_accents:
            raise ValueError(
                "The signature text needs a tokenizer that drops accents, as the published models' "
                "do: got keep_accents=True. LightModel keeps them, with the signature tokens."
            )
        self.inputs = answers.text_inputs
        self.seq_len = seq_len
        preprocessor = answers.preprocessor
        positions = answers.model.backbone.albert_config.max_position_embeddings
        longest = getattr(preprocessor, "sequence_length", positions)
        self._limit = min(longest, seq_len or longest)
        self._tokenizer = tokenizer
        self._needs_masks = "mask_positions" in answers.model.input
        proto = normalizing_proto(tokenizer.proto, tokenizer.lowercase)
        self._fast = tf_text.FastSentencepieceTokenizer(proto)
        self._splits = SentencePieceModel(tokenizer.proto).digit_comma_splits()

    def __call__(self, texts):
        segments = [self._ids(texts[name]) for name in self.inputs]
        room = self._limit - len(segments) - 1
        kept = truncated_lengths([lengths for _, lengths in segments], room)
        total = tf.add_n(kept) + len(segments) + 1
        width = self.seq_len or tf.reduce_max(total)
        position = tf.expand_dims(tf.range(width), 0)
        token_ids = tf.fill([tf.shape(total)[0], width], self._tokenizer.pad_token_id)
        token_ids = tf.where(position == 0, self._tokenizer.start_token_id, token_ids)
        start = tf.ones_like(total)
        for (ids, _), length in zip(segments, kept, strict=True):
            token_ids = self._placed(token_ids, ids, position, start, length)
            start += length + 1
        rows = {
            "token_ids": token_ids,
            "padding_mask": tf.cast(position < tf.expand_dims(total, 1), tf.int32),
        }
        second = tf.expand_dims(kept[0] + 2, 1)
        rows["segment_ids"] = rows["padding_mask"] * tf.cast(position >= second, tf.int32)
        if len(segments) == 1:
            rows["segment_ids"] = tf.zeros_like(token_ids)
        if self._needs_masks:
            rows["mask_positions"] = tf.zeros([tf.shape(total)[0], 1], tf.int32)
        return rows

    def _placed(self, token_ids, ids, position, start, length):
        """Puts a segment and [SEP] into rows, from the position `start` on."""
        start, length = tf.expand_dims(start, 1), tf.expand_dims(length, 1)
        inside = (position >= start) & (position < start + length)
        place = tf.clip_by_value(position - start, 0, tf.shape(ids)[1] - 1)
        token_ids = tf.where(inside, tf.gather(ids, place, batch_dims=1), token_ids)
        is_end = position == start + length
        return tf.where(is_end, self._tokenizer.end_token_id, token_ids)

    def _ids(self, text):
        """Ids `(batch, most)`, one column at least, and how many of each row count."""
        ragged = self._fast.tokenize(text)
        splits = tf.cast(ragged.row_splits, tf.int32)
        ids = ragged.to_tensor(NOTHING)
        # An empty text still needs a place to look at.
        ids = tf.pad(ids, [[0, 0], [0, 1]], constant_values=NOTHING)
        lengths = splits[1:] - splits[:-1]
        return self._spelled(ids, lengths) if self._splits else (ids, lengths)

    def _spelled(self, ids, lengths):
        """The digit-comma rule: "▁3," is "▁3" and ","."""
        split_ids = tf.constant(list(self._splits))
        parts = [[*parts, *[NOTHING] * 9] for parts in self._splits.values()]
        most = max(map(len, self._splits.values()))
        parts = tf.constant([row[:most] for row in parts])
        matches = tf.expand_dims(ids, 2) == split_ids
        is_split = tf.reduce_any(matches, axis=2, keepdims=True)
        number = tf.argmax(tf.cast(matches, tf.int32), axis=2, output_type=tf.int32)
        alone = tf.concat(
            [tf.expand_dims(ids, 2), tf.fill([*tf.unstack(tf.shape(ids)), most - 1], NOTHING)], 2
        )
        spelled = tf.where(is_split, tf.gather(parts, number), alone)
        spelled = tf.reshape(spelled, [-1, most * tf.shape(ids)[1]])
        # Closed up: each id moves to the number of those before it, the empty places to the end.
        counts = tf.cast(spelled != NOTHING, tf.int32)
        width = tf.shape(spelled)[1]
        column = tf.where(spelled != NOTHING, tf.cumsum(counts, axis=1) - 1, width)
        row = tf.expand_dims(tf.range(tf.shape(spelled)[0]), 1) + tf.zeros_like(column)
        places = tf.stack([row, column], axis=2)
        # What is scattered to one place is added up; nobody looks at the last column.
        values = spelled * counts
        closed = tf.scatter_nd(places, values, [tf.shape(spelled)[0], width + 1])
        return closed, tf.reduce_sum(counts, axis=1)
