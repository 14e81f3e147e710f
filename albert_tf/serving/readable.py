"""From the named tensors of an answer to one dictionary a row, as a person reads it.

The names are those of this package's exports; what has other names stays as it is.
"""

from collections.abc import Mapping

import numpy as np


def readable_rows(outputs: Mapping[str, np.ndarray]) -> list[dict]:
    """Gives each row of an answer as plain Python values.

    | names among the outputs | row |
    | --- | --- |
    | `class_names`, `probabilities` | `label`, `probabilities`: class name -> share |
    | `entity`, `num_entities` | `entities`: a list of dictionaries |
    | `word`, `num_masks` | `filled`, `masks`: a list of dictionaries with their `words` |
    | `choice`, `probabilities` | `choice`, `index`, `probabilities` of the choices there are |
    | `answer`, `answer_ids`, `num_tokens` | `answer`, `answer_ids` up to its end, `score` |
    | `text`, `probability` | `answers`: a list of dictionaries, and `null_odds` |
    | anything else | the values of the row; a vector stays an array |

    Args:
        outputs: name -> array, the rows along the first axis.
    """
    columns = dict(outputs)
    for names, read in _READERS:
        if names <= set(columns):
            return [read(row) for row in _rows(columns)]
    return [{name: _plain(value) for name, value in row.items()} for row in _rows(columns)]


def _rows(columns):
    sizes = {len(column) for column in columns.values() if np.ndim(column)}
    if len(sizes) != 1 or not all(map(np.ndim, columns.values())):
        shapes = ", ".join(f"{name} {np.shape(column)}" for name, column in columns.items())
        raise ValueError(f"Every output must have one value a row: got shapes {shapes}.")
    return [{name: column[i] for name, column in columns.items()} for i in range(sizes.pop())]


def _plain(value):
    """A number or a text of its own; an array as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _listed(row, names, size):
    """The first `size` places of some columns, a dictionary each."""
    return [{name: _plain(row[name][i]) for name in names} for i in range(size)]


def _classes(row):
    shares = dict(zip(row["class_names"], row["probabilities"].tolist(), strict=True))
    return {"label": row["label"], "probabilities": shares}


def _entities(row):
    names = ("entity", "label", "start", "end", "score")
    return {"entities": _listed(row, names, row["num_entities"])}


def _masks(row):
    masks = _listed(row, ("start", "end"), row["num_masks"])
    names = ("word", "piece", "probability")
    for i, mask in enumerate(masks):
        words = {name: row[name][i] for name in names}
        mask["words"] = _listed(words, names, len(words["word"]))
    return {"filled": row["filled"], "masks": masks}


def _choice(row):
    shares = row["probabilities"].tolist()
    while shares and shares[-1] == 0:  # a place without a choice
        shares.pop()
    return {"choice": row["choice"], "index": _plain(row["index"]), "probabilities": shares}


def _spans(row):
    names = [name for name in ("text", "start", "end", "probability") if name in row]
    size = max(1, int((row["text"] != "").sum()))
    return {"answers": _listed(row, names, size), "null_odds": _plain(row["null_odds"])}


def _written(row):
    ids = row["answer_ids"][: row["num_tokens"]]
    return {"answer": row["answer"], "answer_ids": ids.tolist(), "score": _plain(row["score"])}


_READERS = (
    ({"class_names", "probabilities", "label"}, _classes),
    ({"entity", "label", "start", "end", "score", "num_entities"}, _entities),
    ({"filled", "word", "piece", "probability", "start", "end", "num_masks"}, _masks),
    ({"choice", "index", "probabilities"}, _choice),
    ({"text", "start", "end", "probability", "null_odds"}, _spans),
    ({"answer", "answer_ids", "num_tokens", "score"}, _written),
)
