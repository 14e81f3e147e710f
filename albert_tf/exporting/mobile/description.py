"""What a TFLite file says of itself: the task, its names, and how text becomes ids."""

import json

from albert_tf.exporting.answers.masks import MaskAnswers
from albert_tf.exporting.answers.spans import SpanAnswers
from albert_tf.tasks.table import task_word
from albert_tf.text.normalizing_model import trimmed_proto
from albert_tf.text.sentencepiece_model import SentencePieceModel

FORMAT_VERSION = 1
# Names of the files inside.
DESCRIPTION, LABELS = "albert.json", "labels.txt"


def describe(answers, sizes, quantization, signatures):
    """Everything that the light runtime, or an app, must know beside the file's tensors.

    Args:
        answers: `Answers` of the model.
        sizes: `TFLiteSizes`.
        quantization: of the file.
        signatures: names of them.

    Returns:
        JSON values: `format_version`, `task`, `signatures`, `quantization`, `sizes`,
        `class_names` or None, `text` or None: what the preprocessor does, and `answers`: what the
        task's answers depend on.
    """
    model = answers.model
    return {
        "format_version": FORMAT_VERSION,
        "task": task_word(model),
        "signatures": list(signatures),
        "quantization": quantization,
        "sizes": {
            "batch_size": sizes.batch_size,
            "seq_len": sizes.seq_len,
            "num_choices": sizes.num_choices,
            "max_position_embeddings": _config(model).max_position_embeddings,
        },
        "class_names": getattr(answers, "class_names", None),
        "text": _text(answers),
        "answers": _answers(answers),
    }


def files_of(answers, description) -> dict[str, bytes]:
    """The files that travel inside a TFLite file: name -> content."""
    text = json.dumps(description, indent=1, ensure_ascii=False, sort_keys=True)
    files = {DESCRIPTION: text.encode()}
    if description["text"] is not None:
        tokenizer = answers.tokenizer
        content = tokenizer.proto
        if isinstance(tokenizer.vocabulary, SentencePieceModel):
            content = trimmed_proto(content, tokenizer.lowercase, tokenizer.keep_accents)
        files[tokenizer.vocabulary.file_name] = content
    if description["class_names"] is not None:
        files[LABELS] = "".join(f"{name}\n" for name in description["class_names"]).encode()
    return files


def _config(model):
    return (getattr(model, "backbone", None) or model).albert_config


def _text(answers):
    tokenizer, preprocessor = answers.tokenizer, answers.preprocessor
    if tokenizer is None:
        return None
    found = {"lowercase": tokenizer.lowercase, "keep_accents": tokenizer.keep_accents}
    found["sequence_length"] = getattr(
        preprocessor, "sequence_length", _config(answers.model).max_position_embeddings
    )
    if isinstance(answers, SpanAnswers):
        sizes = preprocessor.sizes
        found |= {"doc_stride": sizes.doc_stride, "max_query_length": sizes.max_query_length}
    for name in ("max_qa_length", "overlap"):
        if hasattr(preprocessor, name):
            found[name] = getattr(preprocessor, name)
    return found


def _answers(answers):
    model = answers.model
    if isinstance(answers, SpanAnswers):
        names = ("num_answers", "max_answer_length", "null_threshold")
        found = {name: getattr(model, name) for name in names}
        return found | {"head": "conditional" if model.is_conditional else "independent"}
    if isinstance(answers, MaskAnswers):
        return {"top_k": answers.options.top_k}
    names = ("is_regression", "multi_label", "normalize")
    return {name: getattr(model, name) for name in names if hasattr(model, name)}
