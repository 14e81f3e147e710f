"""Published checkpoints and presets into models, with their heads and their vocabulary."""

import importlib
import inspect

import keras

from albert_tf.checkpoints import hugging_face, keras_hub_preset
from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.files import find_checkpoint, find_vocabulary, read_json
from albert_tf.checkpoints.preset import load_weights
from albert_tf.checkpoints.published import (
    PublishedCheckpoint,
    layers_beside_backbone,
    open_checkpoint,
)
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.table import TASKS, task_class

# Heads with weights in the file -> the task that has just these.
_TASK_OF_HEADS = {
    frozenset(): "backbone",
    frozenset({"masked_lm_head", "sentence_order_head"}): "pretrainer",
    frozenset({"masked_lm_head"}): "masked_lm",
    frozenset({"span_head"}): "question_answering",
    frozenset({"conditional_span_head"}): "question_answering",
}
# Classes and choices are published under one name.
_SHARED_NAME = {"classifier", "choice_head"}


def load_checkpoint(path, task=None, *, config=None, dtype=None, **overrides):
    """Loads a checkpoint with all of its heads; every weight finds its place, or none does.

    Args:
        path: a TF1 checkpoint of the original or of albert_zh (prefix or directory), a Hugging
            Face directory or file (`model.safetensors`; `pytorch_model.bin`, read without torch),
            a preset of ours, or one of keras_hub's AlbertBackbone.
        task: class, its name (`AlbertTextClassifier`) or a short word (`text_classifier`,
            `backbone`, ...). None chooses by the weights in the file. With a task given, heads
            that it does not have are left unread.
        config: `AlbertConfig` in place of the one beside the weights.
        dtype: Keras dtype or policy of the model.
        **overrides: fields of `AlbertConfig` to replace, where the published file is wrong or in
            dispute: `num_attention_heads=32` for xlarge, `hidden_act="gelu_exact"`.

    Returns:
        The model. A task that reads raw text gets its preprocessor where the vocabulary stands
        beside the weights (`spiece.model`, `30k-clean.model` or another `*.model`; of Chinese
        models `vocab.txt` or another `*vocab*.txt`; or one in `assets/`).

    Raises:
        FileNotFoundError: there is no checkpoint, or no configuration beside it.
        ValueError: weights are missing, unexpected or misshapen (the message lists all of them),
            a file is damaged or of another architecture, or the task is unclear.
    """
    files = find_checkpoint(path)
    wanted = None if task is None else task_class(task)
    if files.kind == "preset":
        if config is not None or overrides:
            raise ValueError(
                f"{path} is a preset, which has its own configuration: leave out "
                f"{', '.join(sorted(overrides) or ['config'])}."
            )
        return _load_preset(files.directory, wanted, dtype)
    checkpoint = open_checkpoint(files, config, overrides)
    chosen = wanted or task_class(_choose(checkpoint))
    model = _build(chosen, checkpoint, dtype)
    checkpoint.fill(model, ignore_other_heads=wanted is not None)
    return model


def is_published_checkpoint(path):
    """Whether `path` is a TF1 or Hugging Face checkpoint rather than a preset.

    Raises:
        FileNotFoundError: there is no checkpoint at all.
    """
    if "://" in str(path):  # a handle such as hf://, which keras_hub resolves
        return False
    return find_checkpoint(path).kind != "preset"


def build_task(cls, path, load_weights=True, dtype=None, **arguments):
    """Builds a task on a published checkpoint, with a new head where the file has none.

    Args:
        cls: class of the task.
        path: TF1 or Hugging Face checkpoint.
        load_weights: False for an untrained model of the same shape.
        dtype: Keras dtype or policy.
        **arguments: of the class; with `num_classes` the head is new.

    Raises:
        FileNotFoundError, ValueError: as `load_checkpoint`.
    """
    checkpoint = open_checkpoint(find_checkpoint(path))
    model = _build(cls, checkpoint, dtype, **arguments)
    if load_weights:
        present = () if "num_classes" in arguments else checkpoint.heads
        fresh = [layer for layer in layers_beside_backbone(model) if layer not in present]
        checkpoint.fill(model, fresh_heads=fresh, ignore_other_heads=True)
    return model


def _choose(checkpoint):
    heads = checkpoint.heads
    if heads == _SHARED_NAME:
        return _choose_classifier(checkpoint)
    if frozenset(heads) in _TASK_OF_HEADS:
        return _TASK_OF_HEADS[frozenset(heads)]
    raise CheckpointError(
        f"{checkpoint.source} has heads that no single class has: {', '.join(sorted(heads))}. Say "
        f"which to load: task= one of {', '.join(TASKS)}; 'backbone' leaves all heads out."
    )


def _choose_classifier(checkpoint):
    words = {name: word for word, name in hugging_face.ARCHITECTURES.items()}
    named = [words.get(name) for name in checkpoint.values.get("architectures") or ()]
    for word in named:
        if word in ("text_classifier", "token_classifier", "multiple_choice"):
            return word
    if not checkpoint.has_pooler:
        return "token_classifier"
    num_outputs = checkpoint.num_outputs("classifier")
    if checkpoint.table is not hugging_face.TABLE and num_outputs != 1:
        return "text_classifier"
    raise CheckpointError(
        f"{checkpoint.source} has a head of {num_outputs} outputs, and nothing says what they are. "
        "Give task='text_classifier' (one output is regression), 'token_classifier' or "
        "'multiple_choice'."
    )


def _build(cls, checkpoint: PublishedCheckpoint, dtype, **arguments):
    if issubclass(cls, AlbertBackbone):
        return cls(checkpoint.config, include_pooler=checkpoint.has_pooler, dtype=dtype)
    pooler = checkpoint.has_pooler or getattr(cls, "reads_pooler", True)
    backbone = AlbertBackbone(checkpoint.config, include_pooler=pooler, dtype=dtype)
    new_head = "num_classes" in arguments
    arguments = _head_arguments(cls, checkpoint, new_head) | arguments
    if "preprocessor" not in arguments and getattr(cls, "preprocessor_cls", None):
        arguments["preprocessor"] = _preprocessor(cls, checkpoint)
    return cls(backbone, **arguments)


def _head_arguments(cls, checkpoint, new_head):
    """What the files say of a head, as far as the constructor of `cls` asks for it."""
    accepted = inspect.signature(cls.__init__).parameters
    values, num_classes = checkpoint.values, checkpoint.num_outputs("classifier")
    found = {}
    if "num_classes" in accepted and not new_head:
        if num_classes is None:
            raise CheckpointError(
                f"{checkpoint.source} has no weights of a {cls.__name__}'s head. For a new one: "
                f"{cls.__name__}.from_preset({checkpoint.source!r}, num_classes=...)."
            )
        found["num_classes"] = num_classes
        found["class_names"] = hugging_face.class_names_from(values, num_classes)
        found["multi_label"] = values.get("problem_type") == "multi_label_classification"
    if "head" in accepted and "conditional_span_head" in checkpoint.heads:
        found["head"] = "conditional"
    if "classifier_dropout_prob" in values and _has_dropout(accepted):
        rate = values["classifier_dropout_prob"]
        # As transformers does for labels of tokens.
        found["dropout"] = checkpoint.config.hidden_dropout_prob if rate is None else rate
    return {name: value for name, value in found.items() if name in accepted}


def _has_dropout(accepted):
    return "dropout" in accepted and bool(accepted["dropout"].default)


def _preprocessor(cls, checkpoint):
    path = find_vocabulary(checkpoint.directory)
    if path is None:
        return None
    from albert_tf.text.published_style import published_style
    from albert_tf.tokenizer import AlbertTokenizer

    tokenizer = AlbertTokenizer(path, **published_style(checkpoint.directory))
    longest = min(512, checkpoint.config.max_position_embeddings)
    return cls.preprocessor_cls(tokenizer, sequence_length=longest)


def _load_preset(directory, wanted, dtype):
    if read_json(directory / "config.json")["registered_name"] == "keras_hub>AlbertBackbone":
        return _from_keras_hub(directory, wanted, dtype)
    saved = _saved_class(directory)
    chosen = wanted or saved
    if not (issubclass(saved, chosen) or issubclass(chosen, AlbertBackbone)):
        raise CheckpointError(
            f"{directory} holds {saved.__name__}, which is not {chosen.__name__}. For a new head "
            f"on its backbone: {chosen.__name__}.from_preset({str(directory)!r}, ...)."
        )
    # Without a name keras_hub takes that of the preset, and fails at the mixed ones.
    dtype = dtype or keras.config.dtype_policy()
    model = chosen.from_preset(str(directory.resolve()), load_weights=False, dtype=dtype)
    fill_from_preset(directory, model)
    return model


def fill_from_preset(directory, model, fresh_head=False):
    """Places the weights of a preset of ours in a model that was built from it.

    Args:
        directory: `Path` of the preset.
        model: `AlbertBackbone` or a task.
        fresh_head: whether the task's own weights stay as drawn; they also do where the preset
            holds a backbone alone, another task, or the task with another kind of `head`.

    Raises:
        CheckpointError: weights are missing, unexpected or misshapen.
    """
    backbone = getattr(model, "backbone", model)
    load_weights(directory, backbone, backbone)
    if model is backbone or fresh_head or not isinstance(model, _saved_class(directory)):
        return
    if not model.has_task_weights():  # as an embedder, whose preset has no file of them
        return
    # A head of another kind is a new one, as with `num_classes`.
    kind = model.get_config().get("head")
    if read_json(directory / "task.json")["config"].get("head", kind) == kind:
        load_weights(directory, model, backbone)


def register_tasks():
    """Imports all tasks, so that Keras knows the class that a preset names."""
    for word in TASKS:
        task_class(word)


def _saved_class(directory):
    names = {}
    for file in ("config.json", "task.json"):
        if (directory / file).is_file():
            names[file] = read_json(directory / file).get("registered_name")
    # Not all tasks: most need TensorFlow, and a pretrainer also trains on JAX without it.
    for module, name in TASKS.values():
        if f"albert_tf>{name}" in names.values():
            importlib.import_module(module)
    classes = [keras.saving.get_registered_object(name) for name in names.values()]
    if None in classes or not issubclass(classes[0], AlbertBackbone):
        raise CheckpointError(
            f"{directory} must hold a preset of ALBERT: got one of {', '.join(names.values())}. A "
            "class of your own must be imported before its preset is loaded."
        )
    return classes[-1]


def _from_keras_hub(directory, wanted, dtype):
    import keras_hub

    has_head = (directory / "task.json").is_file()
    if wanted is not AlbertBackbone and (wanted is not None or has_head):
        raise CheckpointError(
            f"{directory} is a preset of keras_hub, of which only the backbone can be read. Put a "
            f"head on load_checkpoint({str(directory)!r}, 'backbone')."
        )
    theirs = keras_hub.models.AlbertBackbone.from_preset(str(directory.resolve()), dtype="float32")
    config = keras_hub_preset.config_from(theirs)
    model = AlbertBackbone(config, dtype=dtype)
    stored = keras_hub_preset.read(theirs)
    table = keras_hub_preset.TABLE
    PublishedCheckpoint(str(directory), table, stored, config).fill(model)
    return model
