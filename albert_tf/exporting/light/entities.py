"""Entities on a device: words of a text, windows over its pieces, tags to spans."""

import functools
import re
import unicodedata

import numpy as np

from albert_tf.data.entities import entities_of, is_entity_tag
from albert_tf.exporting.light.base import LightAnswers
from albert_tf.exporting.light.rows import cut_windows, pack
from albert_tf.text.basic_characters import CHINESE
from albert_tf.text.device_tokenizer import repaired


class EntityAnswers(LightAnswers):
    """`entities`, as `AlbertTokenClassifier.entities`, which see."""

    def answer(self, text):
        text = repaired(text)
        words = words_of(text)
        tokens = self.tokenizer.tokenize(text)
        first_pieces = _first_pieces(tokens, words)
        room = self.limit - 2
        overlap = self.description["text"]["overlap"]
        overlap = room // 4 if overlap is None else min(overlap, room - 1)
        windows = cut_windows(len(tokens), room, overlap)
        ids = [token.id for token in tokens]
        rows = [pack(self.tokenizer, self.limit, ids[start:end]) for start, end, _ in windows]
        chances = {}
        for (start, end, best), output in zip(windows, self.run(rows), strict=True):
            for place in range(start, end):
                if place in best and place in first_pieces:
                    chances[first_pieces[place]] = output["probabilities"][place - start + 1]
        return {"entities": self._found(text, words, chances)}

    def _found(self, text, words, chances):
        names = self.description["class_names"]
        tags = [names[chances[i].argmax()] if i in chances else None for i in range(len(words))]
        if all(map(is_entity_tag, names)):
            spans = entities_of(tags)
        else:
            spans = [(i, i + 1, tag) for i, tag in enumerate(tags) if tag is not None]
        found = []
        for first, last, label in spans:
            start, end = words[first][0], words[last - 1][1]
            known = [chances[word].max() for word in range(first, last) if word in chances]
            found.append(
                {
                    "entity": text[start:end],
                    "label": label,
                    "start": start,
                    "end": end,
                    "score": float(np.mean(known)),
                }
            )
        return found


def _first_pieces(tokens, words):
    """Number of a token -> the word that it is the first piece of."""
    first, word = {}, 0
    seen = set()
    for number, token in enumerate(tokens):
        while word < len(words) and words[word][1] <= token.start:
            word += 1
        inside = word < len(words) and words[word][0] <= token.start
        # A lone "▁" has no character of its own.
        if inside and token.end > token.start and word not in seen:
            first[number] = word
            seen.add(word)
    return first


def words_of(text):
    """Where the words of a text are, as `albert_tf.text.words.word_spans` finds them."""
    # An ideograph is a word of its own, as signs are.
    return [match.span() for match in _words().finditer(_ideograph().sub("□", text))]


@functools.cache
def _ideograph():
    return re.compile("[" + "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in CHINESE) + "]")


@functools.cache
def _words():
    """What `albert_tf.text.words` takes for a word; `re` knows no classes such as \\p{L}."""
    letter, number = f"[{_characters('LMN')}_]", f"[{_characters('N')}]"
    inner = r"[.'’&@/:=?%+~#-]"
    joined = f"{number}+(?:[,.:/-]{number}+)+"
    word = f"[@#]?(?:{joined}|{letter}+)(?:{inner}+{letter}+)*"
    return re.compile(f"{word}|[^\\s{_characters('ZC')}]")


def _characters(categories):
    """The inside of a character class: all characters whose category begins with one of these."""
    runs, start = [], None
    for point in range(0x110001):
        inside = point < 0x110000 and unicodedata.category(chr(point))[0] in categories
        if inside and start is None:
            start = point
        elif not inside and start is not None:
            runs.append(f"\\U{start:08x}-\\U{point - 1:08x}")
            start = None
    return "".join(runs)
