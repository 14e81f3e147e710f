"""Does a SavedModel say what the Keras model says?"""

from pathlib import Path

import numpy as np

from albert_tf.exporting import fresh_process as fresh
from albert_tf.exporting.answers.base import AnswerOptions
from albert_tf.exporting.fresh import session
from albert_tf.exporting.requests import Requests
from albert_tf.exporting.tasks import answers_of

# The same kernels on the same weights: what differs is the order of sums, from row padding and
# from graph rewrites. bfloat16 keeps 8 bits (0.4 %), which a dozen layers widen to a few percent.
TOLERANCES = {"float32": 1e-4, "bfloat16": 5e-2}
# What our graphs use of tensorflow-text; all of it is in 2.12.1, which TF Serving 2.18 and 2.19
# have inside.
TEXT_OPS = {
    "FastWordpieceTokenizeWithOffsets",
    "NormalizeUTF8",
    "RegexSplitWithOffsets",
    "SentencepieceOp",
    "SentencepieceTokenizeWithOffsetsOp",
    "TFText>FastSentencepieceDetokenize",
    "TFText>FastSentencepieceTokenize",
}


class ExportMismatchError(RuntimeError):
    """An export answers otherwise than the Keras model that it was made of."""


def verify_saved_model(
    model, path, texts=None, *, tolerance=None, options=None, fresh_process=False
):
    """Compares every signature of a SavedModel with what the Keras model says.

    The SavedModel is loaded by TensorFlow 1's session loader, which restores variables as TF
    Serving does; `tf.saved_model.load` hides errors that a server meets. The Keras model is asked
    by the methods that its users call: `predict`, `entities`, `fill`, `choose`, `generate`.

    Args:
        model: the Keras model that was exported.
        path: the version directory.
        texts: rows, as in `export_saved_model`; None for a few of our own.
        tolerance: largest difference of a number, as a share of the largest number of its output
            (of 1 where all are smaller); None for 1e-4, or 5e-2 where weights are bfloat16.
            Strings and whole numbers must be equal. With bfloat16 they need not, a near tie may
            tip over there; of entities and spans the rows that stayed the same are compared then.
        options: `AnswerOptions` of the export; None for what its signatures tell.
        fresh_process: whether to run it in a process that has TensorFlow and the op libraries of
            tensorflow-text, nothing of this package.

    Returns:
        Dictionary of signature -> largest difference, as such a share.

    Raises:
        ExportMismatchError: answers differ, or lack, or the graph needs an op that TF Serving
            does not have.
        FreshProcessError: the fresh process cannot load or run it.
        FileNotFoundError: there is no SavedModel at `path`.
        ValueError: `texts` that the model does not take.
    """
    if not (Path(path) / "saved_model.pb").is_file():
        raise FileNotFoundError(f"A version directory must hold saved_model.pb: {path} does not.")
    options = _options_of(path) if options is None else options
    answers = answers_of(model, options)
    requests = Requests(answers, texts)
    questions = {name: (name, request.feeds) for name, request in requests.items()}
    if fresh_process:
        report = fresh.ask("session", {str(path): questions})
        if strange := report["unknown_ops"] - TEXT_OPS:
            raise ExportMismatchError(
                f"The graph must use only ops that TF Serving has: {', '.join(sorted(strange))}."
            )
        got, dtypes = report["answers"][str(path)]
    else:
        got, dtypes = session.answer(path, questions)
    dtype = "bfloat16" if "bfloat16" in dtypes else "float32"
    moving = set(requests) if answers.answers_move else set()
    return compare(
        {name: request.expected() for name, request in requests.items()},
        got,
        TOLERANCES[dtype] if tolerance is None else tolerance,
        exact=dtype == "float32",
        moving=moving if answers.ids_move else moving - {"tokens"},
        path=path,
    )


def compare(expected, got, limit, *, exact=True, moving=frozenset(), path):
    """Compares the answers of all signatures.

    Args:
        expected, got: signature -> answer name -> array.
        limit: largest difference allowed; see `verify_saved_model`.
        exact: whether strings and whole numbers must be equal.
        moving: signatures of which, where they need not, only rows count in which they are.
        path: of the export, for the message.

    Returns:
        Signature -> largest difference.

    Raises:
        ExportMismatchError: one is larger.
    """
    differences = {}
    for signature, outputs in expected.items():
        rows = slice(None)
        if not exact and signature in moving:
            rows = _same_rows(got[signature], outputs)
        shares = _shares(got[signature], outputs, exact, rows)
        worst = max(shares, key=lambda name: np.nan_to_num(shares[name], nan=np.inf))
        difference = shares[worst]
        # `not <=`, so that NaN fails.
        if not difference <= limit:
            raise ExportMismatchError(
                f"The signature {signature} of {path} must answer as the Keras model does: its "
                f"{worst} differs by {difference:.3g} of its size (inf: a name, a shape, a string "
                f"or a whole number differs), the limit is {limit:g}. Export the model again."
            )
        differences[signature] = difference
    return differences


def _options_of(path):
    """Which signatures there are, and what they take, tells what was wanted."""
    signatures = session.meta_graph(path).signature_def
    inputs = signatures["serving_default"].inputs if "serving_default" in signatures else {}
    return AnswerOptions(text=bool(inputs), pair="text_pair" in inputs)


def _same_rows(got, expected):
    """Indices of the rows whose strings and whole numbers are all equal."""
    same = True
    for name, value in expected.items():
        if _is_exact(value) and name in got and len(got[name]) == len(value):
            a, b = _with_width(got[name], value), _with_width(value, got[name])
            same &= (a == b).reshape(len(value), -1).all(axis=1)
    return np.flatnonzero(same)


def _with_width(values, other):
    """As many columns as the wider of both; a place of padding is no difference."""
    if values.ndim < 2 or values.shape[1] >= other.shape[1]:
        return values
    widths = [(0, 0), (0, other.shape[1] - values.shape[1])] + [(0, 0)] * (values.ndim - 2)
    filling = {"O": b"", "f": 0}.get(values.dtype.kind, -1)
    return np.pad(values, widths, constant_values=filling)


def _shares(got, expected, exact, rows):
    """For each answer its largest difference; infinite where all must agree."""
    if set(got) != set(expected):
        return {f"set of answers ({', '.join(sorted(got)) or 'none'})": np.inf}
    moved = not exact and not isinstance(rows, slice)
    shares = {}
    for name, value in expected.items():
        other = got[name]
        if moved:
            other, value = _with_width(other, value)[rows], _with_width(value, other)[rows]
        shares[name] = _share(other, value, exact)
    return shares


def _is_exact(values):
    return values.dtype == object or np.issubdtype(values.dtype, np.integer)


def _share(got, expected, exact):
    if got.shape != expected.shape:
        return np.inf
    if _is_exact(expected):
        return np.inf if exact and not np.array_equal(got, expected) else 0.0
    largest = max(1.0, np.abs(expected).max(initial=0.0))
    return float(np.abs(got - expected).max(initial=0.0) / largest)
