"""Labels of words and the entities they spell: BIO in and out, unmatched tags included.

Inside of the package every labelling is IOB2: `B-x` opens an entity of type x, `I-x` goes on with
it, `O` is outside. What other schemes write (IOB1, BIOES, BILOU, BMES) is brought to that form, by
the rules of `conlleval`, the scorer of the CoNLL tasks:

- an `I-x` (or `E-x`, `L-x`, `M-x`) behind no open entity of type x opens one;
- an entity ends before `O`, before `B-`, `S-` and `U-`, before another type, and after `E-`, `L-`,
  `S-` and `U-`.

So an unmatched tag, of an annotator or of a model, is an entity of its own and never an error.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

OUTSIDE = "O"
_OPENING = frozenset("BSU")
_GOING_ON = frozenset("IELM")
_CLOSING = frozenset("ELSU")


class Entity(NamedTuple):
    """An entity in a list of words.

    Args:
        first, last: indices of its first word, and of the one behind its last.
        type: what it is.
    """

    first: int
    last: int
    type: str


def is_entity_tag(tag: str) -> bool:
    """Whether a tag says where an entity is, as `B-x` and `O` do and a part of speech does not."""
    return tag == OUTSIDE or (tag[:1] in _OPENING | _GOING_ON and tag[1:2] == "-" and len(tag) > 2)


def entities_of(tags: Sequence[str | None]) -> list[Entity]:
    """The entities that tags of any of the schemes spell, in order; they never overlap.

    Args:
        tags: one a word. None is a word of which nothing is known: it is passed over, so that it
            lies inside of an entity that goes on behind it, and otherwise outside.
    """
    found: list[Entity] = []
    is_open = False
    for word, tag in enumerate(tags):
        if tag is None:
            continue
        if tag == OUTSIDE:
            is_open = False
            continue
        prefix, type = tag[0], tag[2:]
        if is_open and prefix in _GOING_ON and found[-1].type == type:
            found[-1] = found[-1]._replace(last=word + 1)
        else:
            found.append(Entity(word, word + 1, type))
        is_open = prefix not in _CLOSING
    return found


def tags_of(entities: Iterable[Entity], num_words: int) -> list[str]:
    """The IOB2 tags of entities that do not overlap."""
    tags = [OUTSIDE] * num_words
    for first, last, type in entities:
        tags[first:last] = [f"B-{type}"] + [f"I-{type}"] * (last - first - 1)
    return tags


def tag_names(types: Iterable[str]) -> tuple[str, ...]:
    """`O`, and the two IOB2 tags of each type, the types sorted: the classes of a model."""
    names = [f"{prefix}-{type}" for type in sorted(set(types)) for prefix in "BI"]
    return (OUTSIDE, *names)
