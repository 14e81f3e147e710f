"""Readers of texts whose words carry labels: CoNLL columns and JSON."""

import numpy as np
import tensorflow as tf

from albert_tf.data.entities import Entity, tags_of
from albert_tf.data.json_items import read_json_items
from albert_tf.data.rows import read_rows
from albert_tf.data.tagged_texts import TaggedTexts
from albert_tf.text.words import word_spans


def read_tagged_texts(path, *, class_names=None, word_column=0, tag_column=-1, with_tags=True):
    """Reads words with tags: JSON where the file is called `.json` or `.jsonl`, else CoNLL columns.

    CoNLL: a word a line, columns divided by tabs (or by spaces, where a line has no tab), an empty
    line between texts; `-DOCSTART-` lines and comments `# name = value` are left out.
    JSON: objects, in a list or one a line, with either `tokens` (or `words`) and `tags` (or
    `ner_tags`, `labels`), or `text` and `entities`, each entity with `start`, `end` (in characters,
    exclusive) and `label` (or `type`), and perhaps its `text`. A text is divided into words by
    `word_spans`, and where an entity begins or ends inside of such a word.

    Unmatched `I-` tags open an entity, as in `conlleval`; see `entities`.

    Args:
        path: the file, in UTF-8; `.gz` is unpacked on the way.
        class_names: tags of a trained model, to read another file by; None to collect them.
        word_column, tag_column: of CoNLL files, counted from 0, or from the end if negative.
        with_tags: False to leave the tags unread.

    Returns:
        `TaggedTexts`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line without its columns, malformed JSON, an entity that is not where it is
            said to be, overlapping entities, a tag that is not in `class_names`, no texts.
    """
    name = str(path).lower().removesuffix(".gz")
    if name.endswith((".json", ".jsonl", ".ndjson")):
        wheres, bare, tags = _read_json(path, with_tags)
    else:
        wheres, words, tags = _read_columns(path, word_column, tag_column if with_tags else None)
        bare = TaggedTexts.from_words(words)
    if not len(bare):
        raise ValueError(f"{path} holds no words. Is it the right file?")
    return bare.labelled(tags, class_names, wheres) if with_tags else bare


def _read_columns(path, word_column, tag_column):
    rows = read_rows(path, format="lines")
    wheres, words, tags = [], [], []
    is_open = False
    for line, row in zip(rows.lines, rows.cells, strict=True):
        cells = _cells(row["text"])
        if not cells or cells[0] == "-DOCSTART-":
            is_open = False
            continue
        if row["text"].startswith("# ") and "=" in row["text"]:
            continue
        if not is_open:
            wheres.append(f"{path}, line {line}")
            words.append([])
            tags.append([])
            is_open = True
        wanted = [word_column] if tag_column is None else [word_column, tag_column]
        needed = max(c + 1 if c >= 0 else -c for c in wanted) if tag_column != -1 else 2
        if len(cells) < needed:
            raise ValueError(
                f"{path}, line {line}: a line needs {needed} columns: got {row['text']!r}. Words "
                "and tags are divided by a tab or a space, texts by an empty line."
            )
        words[-1].append(cells[word_column])
        if tag_column is not None:
            tags[-1].append(cells[tag_column])
    return wheres, words, tags


def _cells(line):
    # Some editors leave a mark of byte order at the end, some corpora a tab between texts.
    line = line.strip("\ufeff")
    if not line.strip():
        return []
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()


def _read_json(path, with_tags):
    items = read_json_items(path)
    if isinstance(items[0].value, dict) and "text" in items[0].value:
        return _read_spans(items, with_tags)
    words = [item.field("tokens", "words", kind=list) for item in items]
    for item, row in zip(items, words, strict=True):
        if not all(isinstance(word, str) for word in row):
            raise ValueError(f"{item.where}: words must be texts: got {row!r:.80}.")
    tags = None
    if with_tags:
        tags = [item.field("tags", "ner_tags", "labels", kind=list) for item in items]
        for item, row in zip(items, tags, strict=True):
            if not all(isinstance(tag, str) for tag in row):
                raise ValueError(
                    f"{item.where}: tags must be texts such as 'B-person': got {row!r:.80}."
                )
    return [item.where for item in items], TaggedTexts.from_words(words), tags


def _read_spans(items, with_tags):
    texts = [item.field("text", kind=str) for item in items]
    spans = word_spans(tf.constant(texts))
    starts, ends = (np.split(s.values.numpy(), s.row_splits.numpy()[1:-1]) for s in spans)
    tags = []
    if with_tags:
        for index, item in enumerate(items):
            found = _checked_entities(item, texts[index])
            cuts = {bound for start, end, _ in found for bound in (start, end)}
            starts[index], ends[index] = _cut(starts[index], ends[index], cuts)
            words = [
                Entity(*np.searchsorted(starts[index], [start, end]).tolist(), type)
                for start, end, type in found
            ]
            tags.append(tags_of(words, len(starts[index])))
    return [item.where for item in items], TaggedTexts(texts, starts, ends), tags


def _checked_entities(item, text):
    found = []
    for value in item.field("entities", "spans", kind=list):
        inner = item._replace(value=value)
        start, end = inner.field("start", kind=int), inner.field("end", kind=int)
        if not 0 <= start < end <= len(text) or not text[start:end].strip():
            raise ValueError(
                f"{item.where}: an entity must cover characters of the text, which has "
                f"{len(text)}: got {start} to {end}. Ends are exclusive."
            )
        said = inner.field("text", kind=str, required=False)
        if said is not None and text[start:end] != said:
            raise ValueError(
                f"{item.where}: the entity {said!r} is not at {start} to {end}, where the text has "
                f"{text[start:end]!r}. Positions count characters, not bytes."
            )
        # Space at the ends of an entity belongs to no word.
        inside = text[start:end]
        start += len(inside) - len(inside.lstrip())
        found.append((start, start + len(inside.strip()), inner.field("label", "type", kind=str)))
    found.sort()
    for (_, end, type), (start, _, other) in zip(found, found[1:], strict=False):
        if start < end:
            raise ValueError(
                f"{item.where}: entities must not overlap: got {other!r} from {start} inside of "
                f"{type!r} up to {end}."
            )
    return found


def _cut(starts, ends, cuts):
    """Divides words where an entity begins or ends inside of them."""
    inner = np.array([c for c in cuts if np.any((starts < c) & (c < ends))], np.int64)
    return np.sort(np.concatenate([starts, inner])), np.sort(np.concatenate([ends, inner]))
