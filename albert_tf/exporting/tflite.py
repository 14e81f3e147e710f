"""A TFLite file for phones, the shared block stored once, made and checked in one go."""

from dataclasses import dataclass
from pathlib import Path

from albert_tf.exporting.answers.base import AnswerOptions
from albert_tf.exporting.answers.classes import EarlyExitAnswers
from albert_tf.exporting.answers.written import WrittenAnswers
from albert_tf.exporting.light.model_file import check_runtime
from albert_tf.exporting.mobile.conversion import LEAST_ROWS, QUANTIZATIONS, convert
from albert_tf.exporting.mobile.description import describe, files_of
from albert_tf.exporting.mobile.early_exit import EarlyExitNetwork
from albert_tf.exporting.mobile.encoder import for_mobile
from albert_tf.exporting.mobile.metadata import with_metadata
from albert_tf.exporting.mobile.module import SIGNATURES, MobileModule
from albert_tf.exporting.mobile.requests import MobileRows
from albert_tf.exporting.mobile.text_graph import TextGraph
from albert_tf.exporting.mobile.verification import verify_tflite
from albert_tf.exporting.precision import copy_in
from albert_tf.exporting.requests import Requests
from albert_tf.exporting.tasks import NoExportError, answers_of, family_of
from albert_tf.layers.attention import PADDING_SCORE
from albert_tf.staging import new_file, refuse_existing

# In 8 bits the range of the scores has 256 steps: -3e4 would leave one for all that is not padding.
INT8_PADDING_SCORE = -20.0
NOT_FOR_PHONES = {
    WrittenAnswers: (
        "A TFLite file does not write texts: a model that writes has a loop of unknown length. "
        "Serve a SavedModel."
    ),
}


@dataclass(frozen=True, kw_only=True)
class TFLiteSizes:
    """Sizes of the inputs; None for any, which costs the runtime a new plan at every change.

    Args:
        batch_size: rows.
        seq_len: tokens a row.
        num_choices: choices a question, for multiple choice.
    """

    batch_size: int | None = 1
    seq_len: int | None = 128
    num_choices: int | None = None

    def check(self, longest):
        """Raises `ValueError` for sizes that no file can have."""
        if self.seq_len is not None and not 2 <= self.seq_len <= longest:
            raise ValueError(
                f"seq_len must lie in 2 to {longest}, the positions of the model, or be None for "
                f"any: got {self.seq_len}."
            )
        for name in ("batch_size", "num_choices"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"{name} must be at least 1, or None for any: got {size}.")


def export_tflite(
    model,
    path,
    quantization="dynamic",
    seq_len=128,
    batch_size=1,
    rolled=None,
    *,
    num_choices=None,
    signatures=("tokens",),
    pair=False,
    top_k=5,
    texts=None,
    verify=False,
    accuracy=None,
    metadata=True,
    tokenizer=None,
):
    """Writes one `.tflite` file, whole or not at all, and checks it before it appears.

    Its signature `tokens` takes `token_ids` and `segment_ids`, int32 `(batch_size, seq_len)`, and
    `input_length`, int32 `(batch_size,)`: how many tokens of each row count; what stands behind
    them is padding and may hold any id. Multiple choice has an axis `num_choices` more, masked
    words `mask_positions`, int32 `(batch_size, any)`. Answers are float32 but for indices:

    | task | `tokens` gives |
    | --- | --- |
    | classes, labels, token classes | `logits`, `probabilities` |
    | classes, early exit | the same, and `depth`, int32: how many steps a row took |
    | regression | `score` |
    | question answering | `start_logits`, `end_logits`, or the beams of the conditional head |
    | multiple choice | `logits`, `probabilities`, `index` |
    | masked words | `logits`, `piece_ids`, `probability` (the last two of the `top_k` best) |
    | embeddings | `embedding` |
    | pretrainer, backbone | their own outputs |

    `features` takes the same and gives `sequence_output` and `pooled_output`. All signatures share
    one copy of the weights, and the operators of these two are TFLite's own. Text is cut to ids
    outside of the file, by `albert_tf.text.device_tokenizer` or a port of it; `LightModel` does
    so and reads the answers.

    `text` takes `text` (and `text_pair`), string `(batch_size,)`, and gives what `tokens` gives,
    for classes, scores, embeddings and sentence order. It holds the tokenizer, 0.9 MB, as two
    operators of tensorflow-text, which the app has to link in.

    Args:
        model: a task of this package, `AlbertPretrainer` or `AlbertBackbone`.
        path: the file to write.
        quantization: `dynamic`: weights as 8-bit integers, a quarter of the size and several times
            faster, for an error of one or two percent in the logits; `none` (float32); `float16`
            (half the size; computes in float32); or `int8`: activations as 8-bit integers, too,
            for chips that compute in nothing else: not faster on a CPU, and less exact.
        seq_len: fixed number of tokens, or None for any; every new length costs the runtime a
            new plan.
        batch_size: fixed number of rows, or None for any.
        rolled: whether the encoder is a loop: as fast, and a fifth of the memory of the unrolled
            one, which some delegates need. None for a loop, but for `int8`, whose ranges are those
            of each step.
        num_choices: fixed number of choices, or None for any.
        signatures: names out of `tokens`, `features` and `text`; the first is always there.
        pair: whether a classifier reads two texts a row: those of the check and of the signature
            `text`.
        top_k: words for each mask.
        texts: rows of real text, to check with and, for `int8`, to measure the ranges of
            activations on; as in `export_saved_model`. None for a few of our own, which are too
            few for `int8`.
        verify: whether to run the file in a process with `ai_edge_litert` and no TensorFlow, and
            compare its answers with the Keras model's. It needs that package.
        accuracy: `AccuracyCheck`: what the model and the file are scored by; None to score neither.
        metadata: whether the file carries its description, vocabulary and class names, as Android's
            and iOS's readers of TFLite metadata find them, and `LightModel` does.
        tokenizer: for `AlbertPretrainer`, which has no preprocessor of its own.

    Returns:
        `Path` of the file.

    Raises:
        ExportMismatchError, FreshProcessError: the file does not answer as the model, or does not
            run; nothing is written.
        AccuracyDropError: the file scores too much below the model; nothing is written.
        FileExistsError: `path` exists.
        ModuleNotFoundError: `verify` or `accuracy` without the package `ai_edge_litert`.
        NoExportError: there is no export for this class of model.
        ValueError: an argument is out of its range, the model was quantized by Keras, or there is
            too little text to measure ranges on.
    """
    if verify or accuracy is not None:
        check_runtime()
    path = Path(path)
    sizes = TFLiteSizes(batch_size=batch_size, seq_len=seq_len, num_choices=num_choices)
    if reason := NOT_FOR_PHONES.get(family_of(model)):
        raise NoExportError(reason)
    rolled = _check(model, path, quantization, sizes, rolled, signatures)
    options = AnswerOptions(pair=pair, top_k=top_k, tokenizer=tokenizer, seq_len=seq_len)
    answers = answers_of(model, options)
    text_graph = TextGraph(answers, seq_len) if "text" in signatures else None
    requests = Requests(answers, texts)
    rows = MobileRows(requests["tokens"].feeds, batch_size, num_choices, seq_len)
    if quantization == "int8" and (texts is None or len(rows) < LEAST_ROWS):
        raise ValueError(
            f"int8 measures the ranges of activations on real text: it needs texts, {LEAST_ROWS} "
            f"rows or more: got {0 if texts is None else len(rows)}."
        )
    padding_score = INT8_PADDING_SCORE if quantization == "int8" else PADDING_SCORE
    network = copy_in(model, "float32")
    if isinstance(answers, EarlyExitAnswers):
        network = EarlyExitNetwork(network)
    else:
        network = for_mobile(network, rolled, padding_score)
    module = MobileModule(answers, network, batch_size, seq_len, num_choices, text_graph)
    content = convert(
        module,
        module.signatures(signatures),
        quantization,
        lambda: _calibration(rows, signatures),
        one_scale="mask_positions" in model.input,
    )
    if metadata:
        description = describe(answers, sizes, quantization, signatures)
        content = with_metadata(content, description, files_of(answers, description))
    with new_file(path) as staged:
        staged.write_bytes(content)
        if verify:
            verify_tflite(
                answers,
                staged,
                quantization,
                rows,
                features="features" in signatures,
                requests=requests if text_graph else None,
            )
        if accuracy is not None:
            accuracy(model, staged, sizes)
    return path


def _check(model, path, quantization, sizes, rolled, signatures):
    if quantization not in QUANTIZATIONS:
        raise ValueError(
            f"quantization must be one of {', '.join(QUANTIZATIONS)}: got {quantization!r}."
        )
    if not set(signatures) <= set(SIGNATURES) or "tokens" not in signatures:
        raise ValueError(
            f"signatures must be tokens, and further ones of {', '.join(SIGNATURES)}: got "
            f"{', '.join(signatures)}."
        )
    if rolled and quantization == "int8":
        raise ValueError(
            "int8 needs an unrolled encoder: each step has ranges of its own, and TensorFlow's "
            "calibration crashes in a loop. Leave rolled out."
        )
    if "text" in signatures and quantization == "int8":
        raise ValueError(
            "int8 has no signature text: ranges are measured on ids, and its graph would keep a "
            "float32 copy of the weights. Ask the signature tokens, as LightModel does."
        )
    is_loop = rolled is not False and quantization != "int8" and "features" not in signatures
    if family_of(model) is EarlyExitAnswers and not is_loop:
        raise ValueError(
            "Early exit is a loop that ends early: it goes with neither int8, rolled=False nor the "
            "signature features. Leave them out, or fine-tune an AlbertTextClassifier."
        )
    config = (getattr(model, "backbone", None) or model).albert_config
    sizes.check(config.max_position_embeddings)
    refuse_existing(path)
    if path.is_dir():
        raise FileExistsError(f"path must name a file: {path} is a directory.")
    return quantization != "int8" if rolled is None else rolled


def _calibration(rows, signatures):
    for inputs in rows:
        yield "tokens", inputs
        if "features" in signatures:
            yield "features", {n: v for n, v in inputs.items() if n != "mask_positions"}
