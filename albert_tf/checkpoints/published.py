"""A published checkpoint, opened: its table, its weights, its configuration, its heads."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from albert_tf.checkpoints import albert_zh, hugging_face, safetensors_file, tf1, torch_zip
from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.files import find_config, read_json
from albert_tf.checkpoints.projection import without_identity
from albert_tf.checkpoints.table import Table
from albert_tf.checkpoints.weights import place, raise_misfits
from albert_tf.config import AlbertConfig

# The defaults of the original are those of xxlarge: a file without these keys is not guessed at.
REQUIRED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
)


@dataclass(frozen=True)
class PublishedCheckpoint:
    """Weights under published names, and what the files beside them say.

    Args:
        source: the path, for messages.
        table: names of the family.
        stored: published name -> `Stored`, without optimizer slots and repeated weights.
        config: `AlbertConfig`.
        values: the configuration file as it stands.
        directory: where the vocabulary is looked for.
    """

    source: str
    table: Table
    stored: dict
    config: AlbertConfig
    values: dict = field(default_factory=dict)
    directory: Path = Path()

    @property
    def has_pooler(self):
        """Whether any weight of the pooler is there."""
        return any(row.published in self.stored for row in self.table.pooler)

    @property
    def heads(self):
        """Names of the head layers that have weights here."""
        return self.table.heads_in(self.stored)

    def num_outputs(self, head):
        """How many outputs the head layer `head` has in the file, or None where it has no bias."""
        bias = self.table.heads[head][-1].published
        return self.stored[bias].shape[0] if bias in self.stored else None

    def fill(self, model, fresh_heads=(), ignore_other_heads=False):
        """Places every weight of the model and every weight of the file, or raises.

        Args:
            model: backbone or task.
            fresh_heads: head layers, or others of the task's own, that keep their initial weights.
            ignore_other_heads: whether heads that the model does not have may stay unread; they
                are then not unexpected.

        Raises:
            CheckpointError: lists the missing, the unexpected and the misshapen weights.
        """
        heads = [head for head in heads_of(model, self.table) if head not in fresh_heads]
        backbone = getattr(model, "backbone", model)
        rows = self.table.rows(self.config, backbone.include_pooler, heads)
        stored = without_identity(self.stored, self.table, self.config, self.source)
        if "masked_lm_head" in heads:
            stored = _without_ties(stored, self.table, self.source)
        if ignore_other_heads:
            wanted = {row.published for row in rows}
            known = self.table.names_of_heads() | set(self.table.tied)
            stored = {
                name: weight
                for name, weight in stored.items()
                if name in wanted or name not in known
            }
        fresh = tuple(f"{head}/" for head in fresh_heads)
        weights = [weight for weight in model.weights if not weight.path.startswith(fresh)]
        place(weights, type(model).__name__, rows, stored, self.source)


def heads_of(model, table):
    """Names of the head layers of a model, in the order of the table."""
    layers = {weight.path.split("/")[0] for weight in model.weights}
    return [head for head in table.heads if head in layers]


def layers_beside_backbone(model):
    """Names of the layers whose weights a task adds to its backbone, published or not."""
    shared = {id(weight) for weight in getattr(model, "backbone", model).weights}
    layers = [weight.path.split("/")[0] for weight in model.weights if id(weight) not in shared]
    return list(dict.fromkeys(layers))


def open_checkpoint(files, config=None, overrides=None):
    """Opens a TF1 or Hugging Face checkpoint; the values of its weights stay on disk.

    Args:
        files: `CheckpointFiles`.
        config: `AlbertConfig` in place of the file's.
        overrides: fields of the configuration to replace.

    Raises:
        FileNotFoundError: there is no configuration, and none was given.
        CheckpointError: a file is damaged, or of another architecture.
    """
    source = str(files.weights)
    config_path = find_config(files)
    values = {} if config_path is None else read_json(config_path)
    if config is None and config_path is None:
        raise FileNotFoundError(
            f"There is no configuration for {source}: looked for "
            f"{'config.json' if files.kind == 'hugging_face' else 'albert_config.json'} in "
            f"{files.directory}. Put it there, or give config=AlbertConfig.from_preset('base')."
        )
    given = config
    if files.kind == "hugging_face":
        table, stored = hugging_face.TABLE, hugging_face.canonical(_read_file(files.weights))
        config = config or hugging_face.config_from(_complete(values, config_path))
    else:
        table, stored = tf1.TABLE, tf1.canonical(tf1.read(files.weights))
        config = config or AlbertConfig.from_dict(_complete(values, config_path))
    if table is tf1.TABLE and albert_zh.is_layout_of(stored):
        table = albert_zh.TABLE
        albert_zh.check_config(config)
        config = config if given else dataclasses.replace(config, factorized_tables="words")
    if not stored:
        raise CheckpointError(f"{source} holds no weights.")
    config = override(config, overrides or {})
    if table is tf1.TABLE:
        stored, config = tf1.used_groups(stored, config)
    return PublishedCheckpoint(source, table, stored, config, values, files.directory)


def override(config, overrides):
    """The configuration with some fields replaced.

    Raises:
        ValueError: there is no such field, or the value breaks a rule.
    """
    fields = {f.name for f in dataclasses.fields(AlbertConfig)}
    unknown = sorted(set(overrides) - fields)
    if unknown:
        raise ValueError(
            f"AlbertConfig has no field {', '.join(unknown)}. It has: {', '.join(sorted(fields))}."
        )
    return dataclasses.replace(config, **overrides)


def _complete(values, path):
    missing = [key for key in REQUIRED if key not in values]
    if missing:
        raise CheckpointError(
            f"{path} must state {', '.join(missing)}: it does not. Is it the configuration of an "
            "ALBERT? config=AlbertConfig(...) takes its place."
        )
    return values


def _read_file(path):
    if path.name.endswith((".safetensors", ".index.json")):
        return safetensors_file.read(path)
    return torch_zip.read(path)


def _without_ties(stored, table, source):
    """Drops repeated weights, once they are seen to be equal to those that they repeat."""
    differing = []
    for copy, original in table.tied.items():
        if copy in stored and original in stored:
            pair = stored[copy], stored[original]
            if pair[0].shape != pair[1].shape or not np.array_equal(*(w.read() for w in pair)):
                differing.append(f"{copy} {list(pair[0].shape)} is not {original}")
    raise_misfits(source, "ALBERT, whose output table is its word table", {"untied": differing})
    return {name: weight for name, weight in stored.items() if name not in table.tied}
