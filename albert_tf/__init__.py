"""ALBERT for Keras 3 and TensorFlow: from raw text to a served model.

Names are imported on first use (PEP 562), so that `import albert_tf` is instant.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "AdamW": "albert_tf.optimizers.adamw",
    "AlbertBackbone": "albert_tf.models.backbone",
    "AlbertConfig": "albert_tf.config",
    "AlbertEarlyExitClassifier": "albert_tf.tasks.early_exit",
    "AlbertMaskedLM": "albert_tf.tasks.masked_lm",
    "AlbertMaskedLMPreprocessor": "albert_tf.tasks.masked_lm_preprocessor",
    "AlbertMultipleChoice": "albert_tf.tasks.multiple_choice",
    "AlbertMultipleChoicePreprocessor": "albert_tf.tasks.multiple_choice_preprocessor",
    "AlbertPretrainer": "albert_tf.models.pretrainer",
    "AlbertQuestionAnswering": "albert_tf.tasks.question_answering",
    "AlbertQuestionAnsweringPreprocessor": "albert_tf.tasks.question_answering_preprocessor",
    "AlbertSeq2SeqLM": "albert_tf.tasks.seq2seq_lm",
    "AlbertSeq2SeqLMPreprocessor": "albert_tf.tasks.seq2seq_lm_preprocessor",
    "AlbertTextClassifier": "albert_tf.tasks.text_classifier",
    "AlbertTextClassifierPreprocessor": "albert_tf.tasks.text_classifier_preprocessor",
    "AlbertTextEmbedder": "albert_tf.tasks.text_embedder",
    "AlbertTextEmbedderPreprocessor": "albert_tf.tasks.text_embedder_preprocessor",
    "AlbertTokenClassifier": "albert_tf.tasks.token_classifier",
    "AlbertTokenClassifierPreprocessor": "albert_tf.tasks.token_classifier_preprocessor",
    "AlbertTokenizer": "albert_tf.tokenizer",
    "Lamb": "albert_tf.optimizers.lamb",
    "LengthBeamSampler": "albert_tf.tasks.writing",
    "WarmupPolynomialDecay": "albert_tf.optimizers.schedule",
    "export_saved_model": "albert_tf.exporting.saved_model",
    "export_tflite": "albert_tf.exporting.tflite",
    "load_checkpoint": "albert_tf.tasks.loading",
    "order_probabilities": "albert_tf.tasks.sentence_order",
    "save_checkpoint": "albert_tf.tasks.saving",
}
_MODULES = ("metrics",)

__all__ = sorted([*_HOMES, *_MODULES, "__version__"])


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"albert_tf.{name}")
    raise AttributeError(f"albert_tf has no {name!r}. It offers: {', '.join(__all__)}.")


def __dir__():
    return __all__
