"""A SavedModel that TF Serving takes as it is: raw text in, an answer out that one can use."""

from pathlib import Path

import tensorflow as tf

from albert_tf.exporting.answers.base import AnswerOptions
from albert_tf.exporting.precision import copy_in
from albert_tf.exporting.requests import Requests, write_warmup
from albert_tf.exporting.serving_module import ServingModule
from albert_tf.exporting.tasks import answers_of
from albert_tf.exporting.verification import verify_saved_model
from albert_tf.staging import new_directory


def export_saved_model(
    model,
    path,
    version=None,
    *,
    pair=False,
    dtype="float32",
    text=True,
    top_k=5,
    tokenizer=None,
    num_beams=None,
    length_penalty=1.0,
    max_length=None,
    texts=None,
    verify=True,
    fresh_process=False,
):
    """Writes `<path>/<version>/`, whole or not at all, and checks it before it appears.

    | task | `serving_default` takes | and gives, a row a text |
    | --- | --- | --- |
    | classes, labels | `text` (`text_pair`) | `label`, `class_names`, `probabilities`, `logits` |
    | regression | `text` (`text_pair`) | `score` |
    | early exit | `text` (`text_pair`) | as these, and `depth` |
    | question answering | `question`, `context` | `answer`, `start`, `end`, `score`, `null_odds` |
    | multiple choice | `text`, `choices` | `choice`, `index`, `probabilities`, `logits` |
    | token classes | `text` | `entity`, `label`, `start`, `end`, `score`, `num_entities` |
    | masked words | `text` | `filled`, `num_masks`; `word`, `piece`, `probability` of each mask |
    | embeddings | `text` | `embedding` |
    | sequence to sequence | `text` | `answer`, `answer_ids`, `num_tokens`, `score` |
    | pretrainer (order) | `text`, `text_pair` | as classes: `in order`, `swapped` |

    Texts are string `(batch,)`, `choices` `(batch, most choices)`. The rooms in `answers/` say
    what each answer is. Beside it stand `tokens`, which takes `token_ids` and `segment_ids`,
    int32 `(batch, seq_len)`, and `input_length`, int32 `(batch,)`, as many tokens of each row as
    count; `examples`, which takes `inputs`, serialized `tf.Example`s with the texts as features,
    and gives what `serving_default` gives; `classify` or `regress` for TF Serving's calls of that
    name; `n_best` for questions, `question` for choices with a passage and a question, and
    `similarity` for pairs of texts with embeddings. A model without a preprocessor gets `tokens`
    alone, with its own outputs.

    Text longer than the preprocessor's `sequence_length` is cut as in training, or read in windows
    by tasks that find places in it. The vocabulary is part of the graph; a copy of its file stands
    in `assets` for people. Weights stand in the file once, and warm-up requests for every
    signature in `assets.extra`.

    Args:
        model: a task of this package, `AlbertPretrainer` or `AlbertBackbone`.
        path: directory of the model's versions; made where it does not exist.
        version: whole number from 1; None for one more than the largest there.
        pair: whether a classifier's text signatures take two texts a row.
        dtype: what the graph computes in and stores weights in: `float32`, or `bfloat16` for
            half the size and more speed where the processor has it.
        text: False for `tokens` alone: a graph that a server without text ops loads, too.
        top_k: words for each mask.
        tokenizer: for `AlbertPretrainer`, which has no preprocessor of its own.
        num_beams: of a model that writes texts: 1 for greedy answers, more for a beam search
            with `length_penalty` (`LengthBeamSampler`), None for the sampler that the model has.
        length_penalty: of beams.
        max_length: longest text that is written, in tokens, [CLS] and [SEP] included; None for
            the preprocessor's `decoder_sequence_length`.
        texts: rows for the check and the warm-up requests: a list of texts, a tuple of lists, or
            a dictionary of lists named as the inputs; None for a few of our own.
        verify: whether to compare the answers with those of the Keras model before publishing.
        fresh_process: whether to do so in a process that has TensorFlow and the op libraries of
            tensorflow-text, and nothing of this package; it takes some seconds to start.

    Returns:
        `Path` of the version directory.

    Raises:
        ExportMismatchError: the SavedModel does not answer as the model; nothing is published.
        FreshProcessError: the fresh process cannot load or run it; nothing is published.
        FileExistsError: the version exists, or `path` is a file.
        NoExportError: there is no export for this class of model.
        ValueError: an argument is out of its range, or the model was quantized.
    """
    options = AnswerOptions(
        text=text,
        pair=pair,
        top_k=top_k,
        tokenizer=tokenizer,
        num_beams=num_beams,
        length_penalty=length_penalty,
        max_length=max_length,
    )
    answers = answers_of(model, options)
    requests = Requests(answers, texts)
    target = _version_directory(Path(path), version)
    module = ServingModule(answers, copy_in(model, dtype))
    with new_directory(target) as staged:
        tf.saved_model.save(module, str(staged), signatures=module.signatures())
        if answers.text_inputs:
            if answers.method is not None:
                _name_method(staged, answers.method)
            _add_vocabulary(staged, answers.tokenizer)
        write_warmup(staged, requests, Path(path).name)
        if verify:
            verify_saved_model(model, staged, texts, options=options, fresh_process=fresh_process)
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
