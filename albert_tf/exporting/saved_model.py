"""A SavedModel that TF Serving takes as it is: raw text in, class name and probabilities out."""

from pathlib import Path

import tensorflow as tf

from albert_tf.exporting.answers import answers_of
from albert_tf.exporting.precision import copy_in
from albert_tf.exporting.requests import Requests, write_warmup
from albert_tf.exporting.serving_module import ServingModule
from albert_tf.exporting.verification import verify_saved_model
from albert_tf.staging import new_directory


def export_saved_model(
    model, path, version=None, *, pair=False, dtype="float32", texts=None, verify=True
):
    """Writes `<path>/<version>/`, whole or not at all, and checks it before it appears.

    Signatures: `serving_default` takes `text` (and `text_pair`), string `(batch,)`; `tokens`
    takes `token_ids` and `segment_ids`, int32 `(batch, seq_len)`, and `input_length`, int32
    `(batch,)`, as many tokens of each row as count; `classify` or `regress` takes `inputs`,
    serialized `tf.Example`s with the features `text` (and `text_pair`). What a classifier answers:
    `label` string `(batch,)`, and `probabilities`, `class_names` and `logits`
    `(batch, num_classes)`; a regression: `score` float32 `(batch,)`. A model without a
    preprocessor, and one of another task, gets `tokens` alone.

    Text longer than the preprocessor's `sequence_length` is cut as in training. The vocabulary is
    part of the graph; a copy of its file stands in `assets` for people. Weights stand in the file
    once, and warm-up requests for every signature in `assets.extra`.

    Args:
        model: a task of this package, `AlbertPretrainer` or `AlbertBackbone`.
        path: directory of the model's versions; made where it does not exist.
        version: whole number from 1; None for one more than the largest there.
        pair: whether the text signatures take two texts a row.
        dtype: what the graph computes in and stores weights in: `float32`, or `bfloat16` for
            half the size and more speed where the processor has it.
        texts: what `model.predict` takes, for the check and the warm-up requests; None for a few
            made-up rows.
        verify: whether to compare the answers with `model.predict` before publishing.

    Returns:
        `Path` of the version directory.

    Raises:
        ExportMismatchError: the SavedModel does not answer as the model; nothing is published.
        FileExistsError: the version exists, or `path` is a file.
        TypeError: there is no export for this class of model.
        ValueError: an argument is out of its range, or the model was quantized.
    """
    answers = answers_of(model, pair)
    requests = Requests(answers, texts)
    target = _version_directory(Path(path), version)
    module = ServingModule(answers, copy_in(model, dtype))
    with new_directory(target) as staged:
        tf.saved_model.save(module, str(staged), signatures=module.signatures())
        if answers.text_inputs:
            _name_method(staged, answers.method)
            _add_vocabulary(staged, model.preprocessor.tokenizer)
        write_warmup(staged, requests, Path(path).name)
        if verify:
            verify_saved_model(model, staged, texts)
    return target


def _version_directory(path, version):
    if path.exists() and not path.is_dir():
        raise FileExistsError(
            f"path must be a directory of versions: {path} is a file. Choose another name."
        )
    # TF Serving reads a name as a number: 007 is version 7.
    taken = {int(child.name) for child in path.glob("*") if child.name.isdecimal()}
    if version is None:
        version = max(taken, default=0) + 1
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"version must be a whole number from 1: got {version!r}.")
    if version in taken:
        raise FileExistsError(
            f"A version is never overwritten: {path} holds {version} already. Leave version out "
            f"for the next, {max(taken) + 1}."
        )
    return path / str(version)


def _name_method(directory, method):
    # TensorFlow 2 names every method "predict"; servers that check the name refuse that for
    # Classify and Regress.
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(directory))
    updater.replace_method_name(method, f"tensorflow/serving/{method}", tags="serve")
    updater.save()


def _add_vocabulary(directory, tokenizer):
    assets = directory / "assets"
    assets.mkdir(exist_ok=True)
    tokenizer.save_assets(assets)
