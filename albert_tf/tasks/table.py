"""All tasks: a short word for each, and the class that it means."""

import importlib

# Short word -> home of the class.
TASKS = {
    "backbone": ("albert_tf.models.backbone", "AlbertBackbone"),
    "pretrainer": ("albert_tf.models.pretrainer", "AlbertPretrainer"),
    "masked_lm": ("albert_tf.tasks.masked_lm", "AlbertMaskedLM"),
    "text_classifier": ("albert_tf.tasks.text_classifier", "AlbertTextClassifier"),
    "token_classifier": ("albert_tf.tasks.token_classifier", "AlbertTokenClassifier"),
    "question_answering": ("albert_tf.tasks.question_answering", "AlbertQuestionAnswering"),
    "multiple_choice": ("albert_tf.tasks.multiple_choice", "AlbertMultipleChoice"),
    "text_embedder": ("albert_tf.tasks.text_embedder", "AlbertTextEmbedder"),
    "early_exit_classifier": ("albert_tf.tasks.early_exit", "AlbertEarlyExitClassifier"),
    "seq2seq_lm": ("albert_tf.tasks.seq2seq_lm", "AlbertSeq2SeqLM"),
}


def task_class(task):
    """The class that `task` means: itself, its name, or its short word.

    Raises:
        ValueError: there is no such task.
    """
    if isinstance(task, type):
        return task
    for word, (module, name) in TASKS.items():
        if task in (word, name):
            return getattr(importlib.import_module(module), name)
    raise ValueError(f"task must be a class or one of {', '.join(TASKS)}: got {task!r}.")


def task_word(model):
    """The short word of the class of `model`, or of the nearest class that it extends.

    Raises:
        ValueError: it is no model of ours.
    """
    names = {name: word for word, (_, name) in TASKS.items()}
    for cls in type(model).__mro__:
        if cls.__name__ in names and cls.__module__.startswith("albert_tf."):
            return names[cls.__name__]
    raise ValueError(f"The model must be one of {', '.join(names)}: got {type(model).__name__}.")
