"""What a command line, or a file of rows, asks a TFLite file; no TensorFlow is loaded."""

from pathlib import Path

from albert_tf.data.rows import read_rows
from albert_tf.exporting.light.model_file import LightModel


def is_light_model(path) -> bool:
    """Whether a path names a TFLite file, which `ask_file` and `ask_rows` answer with."""
    return Path(path).suffix == ".tflite"


def ask_file(path, *, text=(), text_pair=(), question=(), context=(), choice=(), num_threads=None):
    """Answers what a command line gives, with a TFLite file.

    Args:
        path: the file.
        text, text_pair, question, context: texts, one a row; a single context is that of all
            questions.
        choice: the choices of one question.
        num_threads: of the runtime.

    Returns:
        A dictionary for each row: `text` and what else was asked, and the answer's keys
        (`albert_tf.serving.readable`).

    Raises:
        FileNotFoundError, ValueError: as `LightModel`, or the model is asked for other names.
    """
    context = list(context) * len(question) if len(context) == 1 else list(context)
    given = {"text": text, "text_pair": text_pair, "question": question, "context": context}
    given = {name: list(column) for name, column in given.items() if column}
    if choice:
        given["choices"] = [list(choice)]
    return _answered(LightModel(path, num_threads), given)


def ask_rows(path, file, num_threads=None):
    """Answers the rows of a `.txt` (one text a line), `.tsv`, `.csv` or `.jsonl` file.

    Args:
        path: of the TFLite file.
        file: its columns are named as the inputs; others are left out.
        num_threads: of the runtime.

    Returns:
        As `ask_file`.
    """
    rows = read_rows(file)
    model = LightModel(path, num_threads)
    names = [name for name in (*model.inputs, *model.optional) if name in rows.columns]
    return _answered(model, {name: rows.column(name) for name in names})


def _answered(model, given):
    answers = model.answer(**given)
    asked = zip(*given.values(), strict=True)
    return [
        {**dict(zip(given, row, strict=True)), **_as_json(answer)}
        for row, answer in zip(asked, answers, strict=True)
    ]


def _as_json(answer):
    """Arrays as lists."""
    return {n: v.tolist() if hasattr(v, "tolist") else v for n, v in answer.items()}
