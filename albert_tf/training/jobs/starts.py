"""What a job starts from: a backbone with a vocabulary, or a preset or checkpoint that has both."""

from pathlib import Path

from albert_tf.checkpoints.files import read_json
from albert_tf.models.backbone import AlbertBackbone


def saved_class(path) -> str | None:
    """Name of the class whose preset stands in a directory; None for no preset of a task."""
    file = Path(path) / "task.json"
    return read_json(file)["registered_name"].rpartition(">")[2] if file.is_file() else None


def task_on(cls, start, *, tokenizer=None, packing=None, dtype=None, **arguments):
    """Builds a task with a preprocessor.

    Args:
        cls: class of the task; it has a `preprocessor_cls`.
        start: `AlbertBackbone`, or what `from_preset` takes.
        tokenizer: `AlbertTokenizer`; None for the one that stands beside the weights.
        packing: arguments of the preprocessor, `sequence_length` among them.
        dtype: Keras dtype or policy; a backbone has its own.
        **arguments: of the task. `num_classes` asks for a new head.

    Raises:
        FileNotFoundError: there is no such preset or checkpoint.
        ValueError: there is no vocabulary, or it does not fit; see `from_preset`.
    """
    packing = packing or {}
    if tokenizer is not None:
        arguments["preprocessor"] = cls.preprocessor_cls(tokenizer, **packing)
    if isinstance(start, AlbertBackbone):
        if tokenizer is None:
            raise ValueError("A backbone comes without a vocabulary: give tokenizer=.")
        return cls(start, **arguments)
    model = cls.from_preset(start, dtype=dtype, **arguments)
    if model.preprocessor is None:
        raise ValueError(
            f"{start} holds no vocabulary. Give tokenizer=, on the vocabulary file that the model "
            "was trained with."
        )
    if tokenizer is None and packing:
        preprocessor = cls.preprocessor_cls(model.preprocessor.tokenizer, **packing)
        model.check_preprocessor(preprocessor)
        model.preprocessor = preprocessor
    return model
