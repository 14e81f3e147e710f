"""The graph of a SavedModel: its weights, and one function for each signature."""

import tensorflow as tf

# What one row has several of.
LISTS = ("choices",)


class ServingModule(tf.Module):
    """What TensorFlow saves of a model.

    It tracks the raw variables and keeps the Keras model out of TensorFlow's sight: a Keras model
    that is tracked gets its variables saved as copies that the graph does not read, and TF Serving
    then fails with "Could not find variable" (keras#20095, serving#2250).

    Args:
        answers: `Answers` of the model that is exported.
        network: the functional model that runs: a copy of that model, perhaps in another dtype.
    """

    def __init__(self, answers, network):
        super().__init__(name="albert")
        self.weights = {weight.path: weight.value for weight in network.weights}
        self._hidden = _Hidden(answers, network)

    def signatures(self):
        """Traces every signature that the model offers; name -> concrete function."""
        answers = self._hidden.answers
        signatures = {"tokens": self.tokens()}
        texts = answers.text_signatures()
        signatures |= {one.name: self._hidden.text_function(one.name) for one in texts}
        if texts:
            signatures["examples"] = self._hidden.example_function()
            if answers.method is not None:
                named = getattr(answers, answers.method)
                signatures[answers.method] = self._hidden.example_function(named)
        return signatures

    def tokens(self, batch_size=None, seq_len=None, numeric=False):
        """Traces the signature that takes ids.

        Args:
            batch_size: rows, or None for any number.
            seq_len: tokens a row, or None for any number.
            numeric: whether string answers are left out.
        """
        return self._hidden.ids_function(batch_size, seq_len, numeric)


class _Hidden:
    """The Keras model behind a plain object, and the functions that run it."""

    def __init__(self, answers, network):
        self.answers = answers
        self.network = network
        # Functions of their own: the model, and all that is done to texts, stand in the file once,
        # however many signatures call them.
        self._run = _function(
            lambda ids: answers.run(network, ids), self._id_specs("padding_mask").values()
        ).get_concrete_function()
        self._texts = {}
        for name, inputs, answer, _ in answers.text_signatures():
            specs = [text_spec(text) for text in inputs]
            function = _function(lambda texts, answer=answer: answer(self._run, texts), specs)
            self._texts[name] = specs, function

    def text_function(self, signature):
        """string tensors -> all answers."""
        specs, function = self._texts[signature]

        def text(**texts):
            return function(texts)

        return _trace(text, specs)

    def example_function(self, answer=None):
        """Serialized `tf.Example`s with the inputs of `serving_default` as features -> answers.

        Args:
            answer: from all named answers to those that are given; None for all.
        """
        specs, function = self._texts["serving_default"]
        features = {spec.name: _feature(spec) for spec in specs}

        def from_examples(inputs):
            named = function(tf.io.parse_example(inputs, features))
            return named if answer is None else answer(named)

        return _trace(from_examples, [tf.TensorSpec([None], tf.string, "inputs")])

    def ids_function(self, batch_size, seq_len, numeric):
        """int32 ids and lengths -> answers.

        Lengths, not a mask: TF Serving pads what it batches with the first element of each
        tensor, and a mask padded with ones would let padding in.
        """
        specs = self._id_specs("input_length", batch_size, seq_len)
        name_outputs = self.answers.numbers if numeric else self.answers.named

        def tokens(**ids):
            lengths = ids.pop("input_length")
            if seq_len is None:
                ids = {name: _at_least_one_column(value) for name, value in ids.items()}
            width = tf.shape(ids["token_ids"])[-1] if seq_len is None else seq_len
            mask = tf.sequence_mask(lengths, width, dtype=tf.int32)
            return name_outputs(self._run({**ids, "padding_mask": mask}))

        return _trace(tokens, specs.values())

    def _id_specs(self, mask_name, batch_size=None, seq_len=None):
        """Specs of the ids; under the name `input_length` the mask loses its last axis."""
        specs = {}
        for name, value in self.answers.id_inputs(self.network).items():
            shape = [batch_size, *[None] * (len(value.shape) - 2), seq_len]
            if name == "mask_positions":
                shape[-1] = None
            if name == "padding_mask":
                name, shape = mask_name, shape[:-1] if mask_name == "input_length" else shape
            specs[name] = tf.TensorSpec(shape, tf.int32, name)
        return specs


def text_spec(name):
    """The spec of a text input: `(batch,)`, or `(batch, most of them)` for lists."""
    return tf.TensorSpec([None, None] if name in LISTS else [None], tf.string, name)


def _feature(spec):
    if len(spec.shape) == 1:
        return tf.io.FixedLenFeature([], tf.string)
    return tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True, default_value="")


def _function(function, specs):
    """A function of a dictionary of tensors, traced once."""
    signature = [{spec.name: spec for spec in specs}]
    return tf.function(function, input_signature=signature, autograph=False)


def _trace(function, specs):
    specs = {spec.name: spec for spec in specs}
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def _at_least_one_column(ids):
    """The model reads the first token of each row: an empty batch needs a column, too."""
    missing = tf.maximum(0, 1 - tf.shape(ids)[-1])
    return tf.pad(ids, [[0, 0]] * (ids.shape.rank - 1) + [[0, missing]])
