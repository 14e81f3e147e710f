"""What a model takes from a client and gives back: the part that all tasks share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.text.bounds import at_most
from albert_tf.text.cleanup import repair
from albert_tf.tokenizer import AlbertTokenizer

# Tasks that find places in a text read it whole, up to this: more takes a gigabyte, and minutes.
MOST_BYTES_READ = 1 << 20
# Of mixed length, one empty: padding is where an export goes wrong.
TEXTS = (
    "A short one.",
    "",
    "Numbers such as 3, 14 or 1,000 and names with accents (Zoë, Señor Muñoz) pass through the "
    "clean-up of the tokenizer before the model sees them; a longer text than its neighbours "
    "makes all of them padded, which must not change what the model says of them.",
    "The committee met on Tuesday, heard both sides for an hour, and put off its decision.",
)


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """What a caller of an export may choose about its signatures.

    Args:
        text: whether there are signatures that take text; without them any TensorFlow can load
            the file.
        pair: whether a classifier's text signatures take two texts.
        top_k: words that fill a mask.
        tokenizer: of a model that has no preprocessor of its own.
        seq_len: longest row, where it is shorter than the preprocessor's; None for that.
        num_beams: of texts that are written; 1 is greedy, None as the model does it.
        length_penalty: of beams; see `LengthBeamSampler`.
        max_length: longest text that is written, in tokens, [CLS] and [SEP] included; None for
            the preprocessor's.
    """

    text: bool = True
    pair: bool = False
    top_k: int = 5
    tokenizer: AlbertTokenizer | None = None
    seq_len: int | None = None
    num_beams: int | None = None
    length_penalty: float = 1.0
    max_length: int | None = None

    def __post_init__(self):
        for name in ("top_k", "num_beams"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a whole number from 1: got {value!r}.")


class TextSignature(NamedTuple):
    """A signature that takes text: its name, its inputs, and what it does with them.

    Args:
        name: of the signature.
        inputs: names of the string inputs.
        answer: takes `run` and a dictionary of string tensors with these names, gives a
            dictionary of tensors whose first axis is that of the inputs. `run` takes a dictionary
            of ids and gives the outputs of the model.
        expected: takes a dictionary of lists with these names, gives what the Keras model says
            of them, by the methods that its users call: arrays under the names of the answers.
    """

    name: str
    inputs: tuple[str, ...]
    answer: Callable
    expected: Callable


class Answers:
    """The model's own outputs under their own names, from ids alone; a single one is `logits`.

    A class beside this one stands for a family of tasks: it lists signatures that take text, and
    turns the outputs of the model into tensors that a client can use as they are.

    Args:
        model: the Keras model that is exported.
        options: `AnswerOptions`.

    Attributes:
        preprocessor: of the model, on rows that are not longer than wanted; None where it has none.
        method: `classify` or `regress`, TF Serving's call that fits the task; None for neither.
            A class that sets it has a method of that name.
        answers_move: whether a small change of a number may change what stands where in the
            answers to texts.
        ids_move: whether it may in the answers to ids, too.
    """

    method: str | None = None
    answers_move = False
    ids_move = False

    def __init__(self, model, options=None):
        self.model = model
        self.options = options or AnswerOptions()
        self.preprocessor = fitted(getattr(model, "preprocessor", None), self.options.seq_len)
        if self.options.pair and not self.takes_pairs():
            raise ValueError(
                f"pair=True needs a classifier that takes text: this {type(model).__name__} does "
                "not. Its signature `tokens` takes pairs as they are, told apart by segment_ids."
            )

    def takes_pairs(self) -> bool:
        """Whether `pair` means anything to this model."""
        return False

    def text_signatures(self) -> list[TextSignature]:
        """The signatures that take text, `serving_default` first; none for ids alone."""
        return []

    @property
    def text_inputs(self) -> tuple[str, ...]:
        """The inputs of `serving_default`; empty where only ids are taken."""
        signatures = self.text_signatures()
        return signatures[0].inputs if signatures else ()

    @property
    def reads_text(self) -> bool:
        """Whether there is a preprocessor, and signatures for it are wanted."""
        return self.options.text and self.preprocessor is not None

    @property
    def tokenizer(self) -> AlbertTokenizer | None:
        """The tokenizer of the text signatures."""
        if self.preprocessor is None:
            return self.options.tokenizer
        return self.preprocessor.tokenizer

    def run(self, network, ids):
        """The outputs of the network for ids, a dictionary of tensors."""
        return network(ids, training=False)

    def id_inputs(self, network) -> dict:
        """The inputs of a network that a client or the preprocessor fills, by their names."""
        return network.input

    def encode(self, texts) -> dict:
        """The inputs of the network for texts, a dictionary of tensors, without anything else."""
        columns = tuple(texts.values())
        packed = self.preprocessor(texts if len(columns) > 1 else columns[0])
        return {name: packed[name] for name in self.id_inputs(self.model)}

    def numbers(self, outputs) -> dict:
        """Named numeric answers to ids, all that a TFLite file gives; floats are float32."""
        outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
        return {
            name: tf.cast(value, tf.float32) if value.dtype.is_floating else tf.identity(value)
            for name, value in outputs.items()
        }

    def named(self, outputs) -> dict:
        """All named answers of the signature `tokens`."""
        return self.numbers(outputs)

    def sample_rows(self) -> dict[str, list]:
        """Rows of our own for the inputs of all signatures that take text."""
        return {name: list(TEXTS[i:] + TEXTS[:i]) for i, name in enumerate(self.text_inputs)}


def fitted(preprocessor, seq_len):
    """A preprocessor whose rows have at most `seq_len` tokens; None for any length."""
    if preprocessor is None or seq_len is None or preprocessor.sequence_length <= seq_len:
        return preprocessor
    kind, options = type(preprocessor), {"sequence_length": seq_len}
    if hasattr(preprocessor, "sizes"):
        longest = min(preprocessor.sizes.max_query_length, (seq_len - 3) // 2)
        options |= {"doc_stride": preprocessor.sizes.doc_stride, "max_query_length": longest}
    if hasattr(preprocessor, "max_qa_length"):
        options["max_qa_length"] = min(preprocessor.max_qa_length, seq_len - 3)
    if getattr(preprocessor, "overlap", None) is not None:
        options["overlap"] = min(preprocessor.overlap, seq_len - 3)
    return kind(preprocessor.tokenizer, **options)


def within_bounds(text):
    """Valid UTF-8 of at most `MOST_BYTES_READ`; longer texts lose their end."""
    return at_most(repair(text), MOST_BYTES_READ)


def as_bytes(values) -> np.ndarray:
    """Texts, in nested lists or an array, as what TensorFlow gives for strings."""
    array = np.array(values, object)
    flat = [value if isinstance(value, bytes) else str(value).encode() for value in array.flat]
    return np.array([*flat, None], object)[:-1].reshape(array.shape)


def in_parts(run, ids, max_rows=32):
    """Runs the network on many rows, a few at a time, in the graph: memory stays bounded.

    Args:
        run: a concrete function of a dictionary of ids; gives a tensor, or a dictionary of
            tensors, with as many rows.
        ids: dictionary of tensors, any number of rows.
        max_rows: at a time.
    """
    num_rows = tf.shape(ids["token_ids"])[0]
    # An empty batch is run, too: its answers have a shape.
    num_parts = tf.maximum(1, (num_rows + max_rows - 1) // max_rows)
    # A concrete function knows what it gives.
    specs = run.structured_outputs
    arrays = [
        tf.TensorArray(spec.dtype, num_parts, infer_shape=False, element_shape=spec.shape)
        for spec in tf.nest.flatten(specs)
    ]

    def one_part(part, arrays):
        rows = slice(part * max_rows, (part + 1) * max_rows)
        outputs = run({name: value[rows] for name, value in ids.items()})
        outputs = tf.nest.flatten(outputs)
        return part + 1, [a.write(part, out) for a, out in zip(arrays, outputs, strict=True)]

    _, arrays = tf.while_loop(
        lambda part, arrays: part < num_parts, one_part, (0, arrays), parallel_iterations=1
    )
    return tf.nest.pack_sequence_as(specs, [array.concat() for array in arrays])
