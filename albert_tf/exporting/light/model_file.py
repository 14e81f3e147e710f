"""A TFLite file of ours, asked with raw text: `ai_edge_litert` and NumPy, no TensorFlow.

model = LightModel("films.tflite")
model.answer(text=["A fine day."])  # [{"label": "good", "probabilities": {...}}]
"""

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np

from albert_tf.exporting.light.answers import answers_of
from albert_tf.text.device_tokenizer import DeviceTokenizer
from albert_tf.text.plain_wordpiece import DeviceWordPieceTokenizer

DESCRIPTION = "albert.json"
# By the name of the vocabulary inside.
TOKENIZERS = {"vocabulary.model": DeviceTokenizer, "vocabulary.txt": DeviceWordPieceTokenizer}
NEWEST_FORMAT = 1


class LightModel:
    """Answers raw text with a TFLite file that carries its vocabulary and its description.

    Args:
        path: a file that `export_tflite` wrote, with metadata.
        num_threads: of the runtime; None for its own choice.

    Attributes:
        description: what the file says of itself, a dictionary.
        inputs, optional: names of the texts that `answer` takes, and of those it may take.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no TFLite file, or one that does not describe itself as ours do.
    """

    def __init__(self, path, num_threads=None):
        path = Path(path)
        self.description, files = read_metadata(path)
        vocabulary = next((name for name in TOKENIZERS if name in files), None)
        if vocabulary is None:
            raise ValueError(
                f"{path} takes ids alone: it was exported from a model without a vocabulary. "
                "Export a model with a preprocessor."
            )
        text = self.description["text"]
        style = (text["lowercase"], text["keep_accents"])
        tokenizer = TOKENIZERS[vocabulary](files[vocabulary], *style)
        self._run = _Runner(path, self.description["sizes"], tokenizer.pad_id, num_threads)
        self._answers = answers_of(self.description, tokenizer, self._run)
        self.inputs, self.optional = self._answers.inputs, self._answers.optional

    def answer(self, **texts):
        """Answers rows of texts.

        Args:
            **texts: lists of one length, named as in `inputs`; those in `optional` may be
                left out. The rows of `choices` are lists.

        Returns:
            A dictionary for each row, with the keys of `albert_tf.serving.readable`.

        Raises:
            ValueError: other names, or lists of different lengths.
        """
        allowed = {*self.inputs, *self.optional}
        sizes = {len(column) for column in texts.values()}
        if not set(self.inputs) <= set(texts) <= allowed or len(sizes) > 1:
            got = ", ".join(f"{name} ({len(column)})" for name, column in texts.items())
            raise ValueError(
                f"This model takes lists of one length named {', '.join(self.inputs)}"
                f"{_also(self.optional)}: got {got or 'none'}."
            )
        columns = zip(*texts.values(), strict=True)
        return [self._answers.answer(**dict(zip(texts, row, strict=True))) for row in columns]


def read_metadata(path):
    """The description of a file, and all files inside: (dictionary, name -> bytes).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no TFLite file, or one that does not describe itself as ours do.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    with path.open("rb") as file:
        if file.read(8)[4:] != b"TFL3":
            raise ValueError(f"{path} is no TFLite file: the mark TFL3 of the format is missing.")
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} does not describe itself: it was exported with metadata=False, or its end is "
            "cut off. Export it again, or copy it whole."
        )
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if DESCRIPTION not in files:
        raise ValueError(f"{path} must hold {DESCRIPTION}: it has {', '.join(files)}.")
    description = json.loads(files[DESCRIPTION])
    if description["format_version"] > NEWEST_FORMAT:
        raise ValueError(
            f"{path} has the format {description['format_version']}: this version reads "
            f"{NEWEST_FORMAT} and older. Update albert-tf."
        )
    return description, files


def check_runtime():
    """Raises `ModuleNotFoundError` where the light runtime is not installed."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise ModuleNotFoundError(
            "Running TFLite files needs the package ai-edge-litert, which the extra `mobile` "
            "installs: pip install 'albert-tf[mobile]'."
        )


class _Runner:
    """The signature `tokens` of a file, on rows of any length that fits."""

    def __init__(self, path, sizes, pad_id, num_threads):
        check_runtime()
        from ai_edge_litert.interpreter import Interpreter

        self.longest = sizes["seq_len"] or sizes["max_position_embeddings"]
        self._sizes, self._pad_id = sizes, pad_id
        interpreter = Interpreter(model_path=str(path), num_threads=num_threads)
        self._call = interpreter.get_signature_runner("tokens")

    def __call__(self, rows, mask_positions=None):
        """Runs rows of ids, each on its own.

        Args:
            rows: list of `Row`.
            mask_positions: for masked words, of the one row.

        Returns:
            A dictionary for each row: answer name -> array without the axis of the batch.
        """
        more = {} if mask_positions is None else {"mask_positions": np.array([mask_positions])}
        return [self._run(self._arrays([row]), more) for row in rows]

    def together(self, rows):
        """Runs the rows of one question, one a choice; the same dictionary for all."""
        most = self._sizes["num_choices"]
        if most is not None and len(rows) > most:
            raise ValueError(f"This file takes {most} choices a question: got {len(rows)}.")
        arrays = self._arrays(rows, most)
        return self._run({name: values[None] for name, values in arrays.items()}, {}, False)

    def _arrays(self, rows, num_rows=None):
        lengths = [len(row.token_ids) for row in rows]
        width = self._sizes["seq_len"] or max(lengths)
        num_rows = num_rows or len(rows)
        token_ids = np.full((num_rows, width), self._pad_id, np.int32)
        segment_ids = np.zeros_like(token_ids)
        for number, row in enumerate(rows):
            token_ids[number, : lengths[number]] = row.token_ids
            segment_ids[number, : lengths[number]] = row.segment_ids
        input_length = np.zeros(num_rows, np.int32)
        input_length[: len(rows)] = lengths
        return {"token_ids": token_ids, "segment_ids": segment_ids, "input_length": input_length}

    def _run(self, arrays, more, single=True):
        inputs = arrays | {name: values.astype(np.int32) for name, values in more.items()}
        batch_size = self._sizes["batch_size"] or 1
        inputs = {n: np.repeat(v, batch_size, axis=0) for n, v in inputs.items()}
        outputs = self._call(**inputs)
        return {name: value[0].copy() for name, value in outputs.items()}


def _also(names):
    return f" (and perhaps {', '.join(names)})" if names else ""
