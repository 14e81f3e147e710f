"""Entities by heart: the names that training texts have, found again. A trivial baseline."""

from collections import Counter, defaultdict

from albert_tf.data.entities import Entity, tags_of


def known_names(texts) -> dict[tuple[str, ...], str]:
    """The names of entities in `TaggedTexts`, words in lower case -> their most frequent type."""
    types = defaultdict(Counter)
    for i in range(len(texts)):
        words = [word.lower() for word in texts.words(i)]
        for first, last, type in texts.entities(i):
            types[tuple(words[first:last])][type] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in types.items()}


def name_tags(texts, names) -> list[list[str]]:
    """The tags of texts by known names, of which the longest counts where several begin."""
    longest = max(map(len, names), default=0)
    return [
        _tags([word.lower() for word in texts.words(i)], names, longest) for i in range(len(texts))
    ]


def _tags(words, names, longest):
    found, first = [], 0
    while first < len(words):
        for last in range(min(len(words), first + longest), first, -1):
            if type := names.get(tuple(words[first:last])):
                found.append(Entity(first, last, type))
                first = last - 1
                break
        first += 1
    return tags_of(found, len(words))
