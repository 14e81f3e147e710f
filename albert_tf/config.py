"""Architecture numbers of ALBERT (paper Table 1), and nothing that needs TensorFlow."""

import dataclasses
import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path

from albert_tf.json_object import read_json_object
from albert_tf.staging import new_file

PRESETS = Path(__file__).parent / "presets"
SHARING = ("all", "attention", "ffn", "none")
# "gelu" is the tanh approximation, as in the original modeling.py; "gelu_new" is the name that
# Hugging Face gives the same function; "gelu_exact" is the one with the error function.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_exact", "relu", "tanh", "linear")


@dataclass(frozen=True, kw_only=True)
class AlbertConfig:
    """The numbers that shape an ALBERT; the fields are the keys of `albert_config.json`.

    Four fields of the published files (`net_structure_type`, `gap_size`, `num_memory_blocks`,
    `down_scale_factor`) shape nothing, neither here nor in the original; they are kept so that a
    file survives a round trip. Keys that we do not know are kept in `extras` for the same reason.

    Args:
        vocab_size: V, rows of the word table.
        embedding_size: E, width of the embedding tables (paper §3.1, factorization V*E + E*H).
        hidden_size: H, width of the encoder; a multiple of `num_attention_heads`.
        num_hidden_layers: depth, in encoder steps.
        num_hidden_groups: sets of shared weights, dealt over the steps in contiguous runs.
        inner_group_num: layers, each with weights of its own, that one step applies.
        num_attention_heads: heads; the paper's rule is H / 64.
        intermediate_size: width inside the feed-forward block; the paper's rule is 4 * H.
        hidden_act: one of `ACTIVATIONS`.
        hidden_dropout_prob: dropout after embeddings and sub-layers, in [0, 1).
        attention_probs_dropout_prob: dropout of attention probabilities, in [0, 1).
        max_position_embeddings: longest input, in tokens.
        type_vocab_size: number of segments.
        initializer_range: standard deviation of the truncated normal that weights start from.
        sharing: what the layers of a group share (paper Table 4): `all`, only `attention`, only
            `ffn`, or `none`. What is not shared exists once per encoder step.
        factorized_tables: `all` embedding tables have width E (published ALBERT), or only the
            `words` (albert_zh's tiny model), whose positions and segments have width H.
        extras: keys found in a configuration file that this class does not know.

    Raises:
        ValueError: a field breaks a rule; the message names field, value and a fix.
    """

    vocab_size: int = 30_000
    embedding_size: int = 128
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_hidden_groups: int = 1
    inner_group_num: int = 1
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    net_structure_type: int = 0
    gap_size: int = 0
    num_memory_blocks: int = 0
    down_scale_factor: int = 1
    sharing: str = "all"
    factorized_tables: str = "all"
    extras: dict = field(default_factory=dict, hash=False, repr=False)

    def __post_init__(self):
        for name in _COUNTS:
            _check_count(name, getattr(self, name))
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"):
            _check_number(name, getattr(self, name))
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1): got {value}. Use 0 for no dropout.")
        if self.initializer_range <= 0:
            raise ValueError(
                f"initializer_range must be positive: got {self.initializer_range}. "
                "The published value is 0.02."
            )
        _check_choice("sharing", self.sharing, SHARING)
        _check_choice("hidden_act", self.hidden_act, ACTIVATIONS)
        _check_choice("factorized_tables", self.factorized_tables, ("all", "words"))
        self._check_heads()
        self._check_groups()

    def _check_heads(self):
        hidden, heads = self.hidden_size, self.num_attention_heads
        if hidden % heads:
            smaller, larger = hidden - hidden % heads, hidden - hidden % heads + heads
            fits = f"{smaller} and {larger}" if smaller else f"{larger}"
            raise ValueError(
                f"hidden_size must split evenly over num_attention_heads: got {hidden} / {heads} = "
                f"{hidden / heads:.2f}. The nearest fits are {fits}."
            )

    def _check_groups(self):
        if self.sharing != "all" and self.num_hidden_groups != 1:
            raise ValueError(
                f"num_hidden_groups must be 1 when sharing is {self.sharing!r}: got "
                f"{self.num_hidden_groups}. Groups deal out fully shared layers: use sharing='all'."
            )

    @classmethod
    def from_preset(cls, name):
        """The configuration published under `name`, for example `base`, `large_v1`, `tiny_zh`.

        Raises:
            ValueError: no such preset; the message lists those that exist.
        """
        path = _preset_file(name)
        if path is None:
            raise ValueError(
                f"There is no preset {name!r}. Choose one of: {', '.join(cls.presets())}."
            )
        return cls.from_json(path)

    @staticmethod
    def presets():
        """Names that `from_preset` takes, sorted."""
        models = (path.parent.name for path in PRESETS.glob("*/config.json"))
        return sorted([*(path.stem for path in PRESETS.glob("*.json")), *models])

    @classmethod
    def from_json(cls, path):
        """Reads `albert_config.json` of the original, or `config.json` of Hugging Face.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a JSON object, or a key or value that cannot be right.
        """
        return cls.from_dict(read_json_object(path))

    @classmethod
    def from_dict(cls, values):
        """Builds a configuration from the keys of a published file; unknown keys become `extras`.

        A value with `model_type` is a Hugging Face configuration: there `gelu` names the exact
        function, and `layer_norm_eps` must be the 1e-12 that every published ALBERT uses.

        Raises:
            ValueError: a key that looks like a misspelt field, or a value that breaks a rule.
        """
        known = {f.name for f in dataclasses.fields(cls)} - {"extras"}
        extras = dict(values.get("extras", {}))
        extras |= {key: value for key, value in values.items() if key not in known | {"extras"}}
        for key in extras:
            close = difflib.get_close_matches(key, known - set(values), n=1, cutoff=0.85)
            if close:
                raise ValueError(
                    f"Unknown key {key!r} in a configuration: do you mean {close[0]!r}?"
                )
        fields = {key: value for key, value in values.items() if key in known}
        # Not kept: beside our names for the activations it would be translated a second time.
        if extras.pop("model_type", None) is not None:
            fields = _from_hugging_face(fields, extras)
        return cls(**fields, extras=extras)

    def to_dict(self):
        """All fields, and the `extras` beside them, as JSON values."""
        values = dataclasses.asdict(self)
        return values.pop("extras") | values

    def to_json(self, path, overwrite=False):
        """Writes the configuration so that `from_json` gives an equal one.

        Raises:
            FileExistsError: `path` exists and `overwrite` is false.
        """
        with new_file(path, overwrite=overwrite) as staged:
            staged.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def group_of(self, step):
        """Index of the weight group that encoder step `step` uses (original: `group_idx`)."""
        return step * self.num_hidden_groups // self.num_hidden_layers

    def set_of(self, part, step, inner):
        """Index of the set of weights that `part` (`attention` or `ffn`) uses at a place in depth.

        Args:
            part: `attention` or `ffn`.
            step: encoder step, in [0, num_hidden_layers).
            inner: layer inside the step, in [0, inner_group_num).
        """
        shared = self.sharing in ("all", part)
        return (self.group_of(step) if shared else step) * self.inner_group_num + inner

    def num_sets(self, part):
        """How many sets of weights `part` (`attention` or `ffn`) has."""
        shared = self.sharing in ("all", part)
        return self.inner_group_num * (self.num_hidden_groups if shared else self.num_hidden_layers)

    @property
    def has_projection(self):
        """Whether tables and encoder differ in width; the original skips E x H when they do not."""
        return self.embedding_size != self.hidden_size

    @property
    def num_params(self):
        """Weights of the backbone: embeddings, encoder and pooler, no head (paper Table 1)."""
        e, h, i = self.embedding_size, self.hidden_size, self.intermediate_size
        words_only = self.factorized_tables == "words"
        positions = (self.max_position_embeddings + self.type_vocab_size) * (h if words_only else e)
        norm = 2 * (h if words_only else e)
        projection = e * h + (0 if words_only else h) if self.has_projection else 0
        attention = 4 * (h + 1) * h + 2 * h
        ffn = (h + 1) * i + (i + 1) * h + 2 * h
        encoder = self.num_sets("attention") * attention + self.num_sets("ffn") * ffn
        pooler = (h + 1) * h
        return self.vocab_size * e + positions + norm + projection + encoder + pooler


def _preset_file(name):
    """A configuration alone, or that of a model whose weights come with the package."""
    files = (PRESETS / f"{name}.json", PRESETS / name / "config.json")
    return next((path for path in files if path.is_file()), None)


_COUNTS = (
    "vocab_size",
    "embedding_size",
    "hidden_size",
    "num_hidden_layers",
    "num_hidden_groups",
    "inner_group_num",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


def _check_count(name, value):
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{name} must be a whole number of at least 1: got {value!r}. "
            f"ALBERT-base has {AlbertConfig.__dataclass_fields__[name].default}."
        )


def _check_number(name, value):
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        default = AlbertConfig.__dataclass_fields__[name].default
        raise ValueError(f"{name} must be a number: got {value!r}. ALBERT-base has {default}.")


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}: got {value!r}.")


def _from_hugging_face(fields, extras):
    epsilon = extras.get("layer_norm_eps", 1e-12)
    if epsilon != 1e-12:
        raise ValueError(
            f"layer_norm_eps must be 1e-12, as in every published ALBERT: got {epsilon}. "
            "A model trained with another value would give other numbers here."
        )
    exact = {"gelu": "gelu_exact", "gelu_pytorch_tanh": "gelu"}
    act = fields.get("hidden_act", "gelu_new")
    return fields | {"hidden_act": exact.get(act, act)}
