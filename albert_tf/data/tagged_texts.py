"""Texts whose words carry labels: entities, parts of speech."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from albert_tf.data.entities import (
    OUTSIDE,
    Entity,
    entities_of,
    is_entity_tag,
    tag_names,
    tags_of,
)
from albert_tf.data.tables import collect_classes


@dataclass(frozen=True)
class TaggedTexts:
    """Texts, where their words stand, and the label of each word.

    Args:
        texts: the texts as a reader gave them, or words joined by spaces.
        starts, ends: for each text an int array `(num_words,)`: first character of each word and
            the one behind its last. Words are in order and do not overlap.
        labels: for each text an int32 array `(num_words,)` of indices into `class_names`; None
            where nothing is known.
        class_names: the tag of each index: `O` and the IOB2 tags of all types, or plain labels.
    """

    texts: list[str]
    starts: list[np.ndarray]
    ends: list[np.ndarray]
    labels: list[np.ndarray] | None = None
    class_names: tuple[str, ...] | None = None

    def __len__(self):
        return len(self.texts)

    def take(self, indices) -> "TaggedTexts":
        """The texts at `indices` (a slice or an int array), in that order."""
        picked = np.arange(len(self))[indices]
        fields = ("texts", "starts", "ends", "labels")
        values = {name: getattr(self, name) for name in fields}
        return dataclasses.replace(
            self, **{n: v and [v[i] for i in picked] for n, v in values.items()}
        )

    def words(self, index) -> list[str]:
        """The words of one text."""
        spans = zip(self.starts[index], self.ends[index], strict=True)
        return [self.texts[index][start:end] for start, end in spans]

    def tags(self, index) -> list[str]:
        """The tags of one text."""
        return [self.class_names[label] for label in self.labels[index]]

    def entities(self, index) -> list[Entity]:
        """The entities of one text, as spans of words."""
        return entities_of(self.tags(index))

    def inputs(self) -> dict:
        """The texts as `AlbertTokenClassifierPreprocessor` takes them."""
        return {
            "text": tf.constant(self.texts, tf.string),
            "word_starts": ragged(self.starts, np.int64),
            "word_ends": ragged(self.ends, np.int64),
        }

    @classmethod
    def from_words(cls, words: Sequence[Sequence[str]], tags=None, class_names=None):
        """Texts of words that are known, joined by single spaces.

        Args:
            words: for each text its words.
            tags: for each text a tag a word, in any scheme of `entities`, or plain labels.
            class_names: the tags that a model knows; None to collect them here.

        Raises:
            ValueError: not one tag a word, or a tag that is not in `class_names`.
        """
        starts, ends = [], []
        for text in words:
            lengths = np.array([len(word) for word in text], np.int64)
            ends.append(np.cumsum(lengths + 1) - 1)
            starts.append(ends[-1] - lengths)
        bare = cls([" ".join(text) for text in words], starts, ends)
        wheres = [f"text {number}" for number in range(1, len(words) + 1)]
        return bare if tags is None else bare.labelled(tags, class_names, wheres)

    def labelled(self, tags, class_names, wheres) -> "TaggedTexts":
        """The same texts with tags: those of entities as IOB2, others as they are.

        Args:
            tags: for each text a tag a word.
            class_names: as in `from_words`.
            wheres: for each text where it stands, for messages.

        Raises:
            ValueError: as `from_words`; or tags of entities stand beside others.
        """
        for where, row, starts in zip(wheres, tags, self.starts, strict=True):
            if len(row) != len(starts):
                raise ValueError(
                    f"{where}: every word needs one tag: got {len(row)} tags for {len(starts)} "
                    "words."
                )
        has_entities = _spell_entities(tags, wheres)
        if has_entities:
            tags = [tags_of(entities_of(row), len(row)) for row in tags]
        if class_names is None:
            found = {tag for row in tags for tag in row}
            types = (tag[2:] for tag in found if tag != OUTSIDE)
            class_names = tag_names(types) if has_entities else collect_classes(found)
        index_of = {name: index for index, name in enumerate(class_names)}
        labels = []
        for where, row in zip(wheres, tags, strict=True):
            if unknown := [tag for tag in row if tag not in index_of]:
                raise ValueError(
                    f"{where}: the tag {unknown[0]!r} was never seen in training, which had "
                    f"{', '.join(class_names)}. Add a text with it to the training file, or mend "
                    "this one."
                )
            labels.append(np.array([index_of[tag] for tag in row], np.int32))
        return dataclasses.replace(self, labels=labels, class_names=tuple(class_names))


def _spell_entities(tags, wheres):
    """Whether the tags are those of entities; a mixture is a slip of the pen somewhere."""
    names = dict.fromkeys(tag for row in tags for tag in row)
    others = [name for name in names if not is_entity_tag(name)]
    spelled = [name for name in names if name not in others and name != OUTSIDE]
    if others and spelled:
        where = next(w for w, row in zip(wheres, tags, strict=True) if others[0] in row)
        raise ValueError(
            f"{where}: the tag {others[0]!r} is none of an entity, as {spelled[0]!r} is. Tags are "
            "O, B-type and I-type (or another scheme of that kind), or plain labels throughout."
        )
    return not others


def ragged(rows, dtype) -> tf.RaggedTensor:
    """A ragged tensor `(num_rows, None)` of arrays."""
    values = np.concatenate([np.zeros(0, dtype), *(np.asarray(row, dtype) for row in rows)])
    return tf.RaggedTensor.from_row_lengths(values, [len(row) for row in rows])
