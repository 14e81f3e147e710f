"""Entities, or labels of words, with their places in the text."""

import numpy as np
import tensorflow as tf

from albert_tf.data.entities import OUTSIDE, is_entity_tag
from albert_tf.exporting.answers.base import (
    Answers,
    TextSignature,
    as_bytes,
    in_parts,
    within_bounds,
)
from albert_tf.text.cleanup import repair

# As `albert_tf.data.entities` has it: which prefixes open, go on and close.
_OPENING, _CLOSING = frozenset("BSU"), frozenset("ELSU")
NOWHERE = -1


class EntityAnswers(Answers):
    """`entity`, `label`, `start`, `end` and `score`, each `(batch, most entities)`.

    `num_entities` says how many of each row count; behind them stand "", -1 and 0. The entities
    are those of `AlbertTokenClassifier.entities`: a text of any length is read in windows. Where
    the classes are no entity tags, every word is an entity of its own. Ids give `logits` and
    `probabilities` of every piece.
    """

    answers_move = True

    def __init__(self, model, options=None):
        super().__init__(model, options)
        self.class_names = model.class_names or [str(i) for i in range(model.num_classes)]

    def text_signatures(self):
        if not self.reads_text:
            return []
        return [TextSignature("serving_default", ("text",), self._answer, self._expected)]

    def _answer(self, run, texts):
        preprocessor = self.preprocessor
        divided = preprocessor.divide(within_bounds(texts["text"]))
        inputs = preprocessor(divided)
        logits = in_parts(run, {name: inputs[name] for name in self.model.input})
        # Windows follow the texts, and each word counts in one of them: the words are in order.
        places = tf.where(inputs["word_ids"] >= 0)
        row = tf.gather(inputs["row_ids"], places[:, 0])
        word = tf.cast(tf.gather_nd(inputs["word_ids"], places), tf.int64)
        first, last, group, best, chance = self._grouped(row, tf.gather_nd(logits, places))
        row_of = tf.cast(tf.gather(row, first), tf.int64)
        starts, ends = (
            _at(divided[name], row_of, tf.gather(word, index))
            for name, index in (("word_starts", first), ("word_ends", last))
        )
        num_entities = tf.size(first)
        found = {
            "entity": tf.strings.substr(
                tf.gather(repair(divided["text"]), row_of), starts, ends - starts, "UTF8_CHAR"
            ),
            "label": tf.gather(tf.constant(self._types()), tf.gather(best, first)),
            "start": starts,
            "end": ends,
            "score": tf.math.unsorted_segment_mean(chance, group, num_entities),
        }
        return _as_rows(found, row_of, tf.shape(texts["text"], tf.int64)[0])

    def _grouped(self, row, logits):
        """Puts words that are one entity together.

        Args:
            row: int32 `(num_words,)`, the text that a word is of; never falling.
            logits: float `(num_words, num_classes)`.

        Returns:
            first, last: int `(num_entities,)`, words that each entity begins and ends with.
            group: int `(num_words,)`, the entity that a word is of, or a negative number.
            best, chance: `(num_words,)`, the likeliest class of each word and its probability.
        """
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        chance = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
        outside, opens, closes, type = (tf.gather(table, best) for table in self._rules())
        before = _shifted(row, NOWHERE) == row
        before &= ~_shifted(outside, True) & ~_shifted(closes, True)
        goes_on = ~outside & ~opens & before & (_shifted(type, NOWHERE) == type)
        begins = ~outside & ~goes_on
        group = tf.where(outside, NOWHERE, tf.cumsum(tf.cast(begins, tf.int32)) - 1)
        position = tf.range(tf.size(row))
        first = tf.boolean_mask(position, begins)
        last = tf.math.unsorted_segment_max(position, group, tf.size(first))
        return first, last, group, best, chance

    def _rules(self):
        """For each class whether it is no entity, opens one, closes one; and the type, int32."""
        names = self.class_names
        if not all(map(is_entity_tag, names)):
            always = tf.fill([len(names)], True)
            return ~always, always, always, tf.range(len(names))
        types = self._types()
        prefixes = [name[0] for name in names]
        return (
            tf.constant([name == OUTSIDE for name in names]),
            tf.constant([prefix in _OPENING for prefix in prefixes]),
            tf.constant([prefix in _CLOSING for prefix in prefixes]),
            tf.constant([types.index(type) for type in types]),
        )

    def _types(self):
        """The label that an entity of each class gets."""
        if not all(map(is_entity_tag, self.class_names)):
            return list(self.class_names)
        return [name[2:] for name in self.class_names]

    def numbers(self, outputs):
        return {"logits": tf.identity(outputs), "probabilities": tf.nn.softmax(outputs)}

    def _expected(self, rows):
        found = self._entities(rows["text"])
        width = max(map(len, found), default=0)
        fields = {"entity": ("text", ""), "label": ("label", ""), "start": ("start", NOWHERE)}
        fields |= {"end": ("end", NOWHERE), "score": ("score", 0.0)}
        says = {}
        for name, (field, filling) in fields.items():
            table = [
                [entity[field] for entity in row] + [filling] * (width - len(row)) for row in found
            ]
            is_text, is_score = isinstance(filling, str), isinstance(filling, float)
            dtype = np.float32 if is_score else np.int32
            values = as_bytes(table) if is_text else np.array(table, dtype)
            says[name] = values.reshape(len(found), width)
        return says | {"num_entities": np.array([len(row) for row in found], np.int32)}

    def _entities(self, texts):
        model = self.model
        if model.class_names is not None:
            return model.entities(texts)
        # `entities` wants names; the classes of an export are numbered where there are none.
        model.class_names = self.class_names
        try:
            return model.entities(texts)
        finally:
            model.class_names = None


def _shifted(values, filling):
    """Each word's value at the word before it."""
    return tf.concat([tf.fill([1], tf.constant(filling, values.dtype)), values], axis=0)[:-1]


def _at(ragged, row, column):
    """Values of a ragged tensor at places, int32."""
    # A batch may have no words at all.
    values = tf.concat([ragged.values, [0]], axis=0)
    return tf.cast(tf.gather(values, tf.gather(ragged.row_starts(), row) + column), tf.int32)


def _as_rows(found, row_of, num_rows):
    table = {}
    fillings = {"entity": "", "label": "", "start": NOWHERE, "end": NOWHERE, "score": 0.0}
    for name, values in found.items():
        ragged = tf.RaggedTensor.from_value_rowids(values, row_of, num_rows, validate=False)
        table[name] = ragged.to_tensor(fillings[name], shape=(None, None))
        table["num_entities"] = tf.cast(ragged.row_lengths(), tf.int32)
    return table
