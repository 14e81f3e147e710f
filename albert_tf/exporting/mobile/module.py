"""The graph of a TFLite file: a function for each signature, on one set of weights."""

import keras
import tensorflow as tf

SIGNATURES = ("tokens", "features", "text")


class MobileModule(tf.Module):
    """What the converter reads: raw variables, and signatures of fixed or open sizes.

    | signature | takes | gives |
    | --- | --- | --- |
    | `tokens` | int32 `token_ids`, `segment_ids`, `input_length` | the numbers of the task |
    | `features` | the same | `sequence_output`, and `pooled_output` where there is a pooler |
    | `text` | string `text` (and `text_pair`) | as `tokens` |

    Args:
        answers: `Answers` of the model that is exported.
        network: the functional model that runs, from `for_mobile`.
        batch_size, seq_len, num_choices: sizes of the inputs, or None for any.
        text_graph: `TextGraph` for the signature `text`; None where it is not wanted.
    """

    def __init__(self, answers, network, batch_size, seq_len, num_choices=None, text_graph=None):
        super().__init__(name="albert")
        self.weights = {weight.path: weight.value for weight in network.weights}
        self._hidden = _Hidden(answers, network, (batch_size, num_choices, seq_len), text_graph)

    def signatures(self, names):
        """Traces signatures; name -> concrete function."""
        return {name: getattr(self._hidden, name)() for name in names}


class _Hidden:
    """The Keras model behind a plain object, out of TensorFlow's sight."""

    def __init__(self, answers, network, sizes, text_graph):
        self.answers = answers
        self.network = network
        self.batch_size, self.num_choices, self.seq_len = sizes
        self.text_graph = text_graph

    def tokens(self):
        def tokens(**ids):
            outputs = self.network(self._with_mask(ids), training=False)
            return self.answers.numbers(outputs)

        return _trace(tokens, self.specs(self.network.input))

    def features(self):
        nested = [layer for layer in self.network.layers if isinstance(layer, keras.Model)]
        backbone = nested[0] if nested else self.network

        def features(**ids):
            outputs = backbone(self._with_mask(ids), training=False)
            return {name: tf.cast(value, tf.float32) for name, value in outputs.items()}

        return _trace(features, self.specs(backbone.input))

    def text(self):
        def text(**texts):
            ids = self.text_graph(texts)
            return self.answers.numbers(self.network(ids, training=False))

        specs = [tf.TensorSpec([self.batch_size], tf.string, n) for n in self.text_graph.inputs]
        return _trace(text, specs)

    def _with_mask(self, ids):
        lengths = ids.pop("input_length")
        width = tf.shape(ids["token_ids"])[-1] if self.seq_len is None else self.seq_len
        return ids | {"padding_mask": tf.sequence_mask(lengths, width, dtype=tf.int32)}

    def specs(self, inputs):
        """Specs of the ids of a network; instead of its mask it takes `input_length`."""
        specs = []
        for name, value in inputs.items():
            middle = [self.num_choices] * (len(value.shape) - 2)
            shape = [self.batch_size, *middle, self.seq_len]
            if name == "mask_positions":
                shape[-1] = None
            if name == "padding_mask":
                name, shape = "input_length", shape[:-1]
            specs.append(tf.TensorSpec(shape, tf.int32, name))
        return specs


def _trace(function, specs):
    specs = {spec.name: spec for spec in specs}
    return tf.function(function, autograph=False).get_concrete_function(**specs)
