"""Classes, labels and scores of texts and pairs, and the order of two passages."""

import numpy as np
import tensorflow as tf

from albert_tf.data.packing import pack_segments
from albert_tf.exporting.answers.base import Answers, TextSignature
from albert_tf.tasks.early_exit import exit_early
from albert_tf.tasks.sentence_order import check_order_model, order_probabilities

ORDERS = ("in order", "swapped")


class ClassAnswers(Answers):
    """The class name and its probability; the score alone for a regression.

    A multi-label model answers with the probability of each label on its own, and `label` names
    the likeliest.
    """

    def __init__(self, model, options=None):
        super().__init__(model, options)
        self.method = "regress" if model.is_regression else "classify"
        self.class_names = model.class_names or [str(i) for i in range(model.num_classes)]

    def takes_pairs(self):
        return self.reads_text

    def text_signatures(self):
        if not self.reads_text:
            return []
        inputs = ("text", "text_pair") if self.options.pair else ("text",)
        return [TextSignature("serving_default", inputs, self._answer, self._expected)]

    def _answer(self, run, texts):
        return self.named(run(self.encode(texts)))

    def numbers(self, outputs):
        return self._numbers_of(outputs)

    def named(self, outputs):
        numbers = self._numbers_of(outputs)
        if self.model.is_regression:
            return numbers
        return numbers | with_names(outputs, self.class_names)

    def _numbers_of(self, logits):
        if self.model.is_regression:
            return {"score": tf.squeeze(logits, axis=1)}
        chances = tf.sigmoid if getattr(self.model, "multi_label", False) else tf.nn.softmax
        return {"logits": tf.identity(logits), "probabilities": chances(logits)}

    def classify(self, named):
        """The answer to TF Serving's Classify call, which fixes these names."""
        return {"classes": named["class_names"], "scores": named["probabilities"]}

    def regress(self, named):
        """The answer to TF Serving's Regress call, which fixes this name."""
        return {"outputs": named["score"]}

    def _expected(self, rows):
        columns = tuple(rows.values())
        logits = self.model.predict(columns if len(columns) > 1 else columns[0], verbose=0)
        return as_arrays(self.named(tf.constant(logits)))


class EarlyExitAnswers(ClassAnswers):
    """As `ClassAnswers`, and `depth`, int32 `(batch,)`: how many depths a row went through.

    Rows leave the batch inside the graph, by the `patience` that the model has when exported.
    """

    # A number a little smaller, and a row leaves a depth later.
    answers_move = True
    ids_move = True

    def run(self, network, ids):
        logits, depth = exit_early(network, ids)
        # A lone text, or several that leave together, leave nobody to tell the shape by.
        logits = tf.ensure_shape(logits, (None, self.model.num_classes))
        return {"logits": logits, "depth": tf.ensure_shape(depth, (None,))}

    def numbers(self, outputs):
        return super().numbers(outputs["logits"]) | {"depth": outputs["depth"]}

    def named(self, outputs):
        return super().named(outputs["logits"]) | {"depth": outputs["depth"]}

    def _expected(self, rows):
        columns = tuple(rows.values())
        texts = columns if len(columns) > 1 else columns[0]
        logits, depth = map(tf.constant, self.model.predict_with_depths(texts))
        return as_arrays(self.named({"logits": logits, "depth": depth}))


class OrderAnswers(Answers):
    """Whether two passages stand in order: a classifier of pairs on the pretraining head.

    The model has no preprocessor; `options.tokenizer` says how it reads. From ids it answers with
    both of its own outputs.
    """

    method = "classify"

    def text_signatures(self):
        if not self.options.text or self.options.tokenizer is None:
            return []
        check_order_model(self.model, self.options.tokenizer)
        return [
            TextSignature("serving_default", ("text", "text_pair"), self._answer, self._expected)
        ]

    def encode(self, texts):
        tokenizer, longest = self.options.tokenizer, self._longest
        num_rows = tf.shape(texts["text"])[0]
        both = tf.concat([texts["text"], texts["text_pair"]], axis=0)
        ids = tokenizer.tokenize_beginning(both, longest)
        packed = pack_segments((ids[:num_rows], ids[num_rows:]), longest, tokenizer)
        return packed | {"mask_positions": tf.zeros([num_rows, 1], tf.int32)}

    @property
    def _longest(self):
        positions = self.model.backbone.albert_config.max_position_embeddings
        return min(positions, self.options.seq_len or positions)

    def _answer(self, run, texts):
        return self._named_order(run(self.encode(texts))["sop_logits"])

    def _named_order(self, logits):
        numbers = {"logits": tf.identity(logits), "probabilities": tf.nn.softmax(logits)}
        return numbers | with_names(logits, ORDERS)

    def classify(self, named):
        """The answer to TF Serving's Classify call, which fixes these names."""
        return {"classes": named["class_names"], "scores": named["probabilities"]}

    def _expected(self, rows):
        texts = {name: tf.constant(column) for name, column in rows.items()}
        logits = self.model(self.encode(texts), training=False)["sop_logits"]
        in_order = order_probabilities(self.model, *rows.values(), self.options.tokenizer)
        says = as_arrays(self._named_order(tf.constant(logits)))
        return says | {"probabilities": np.stack([in_order, 1 - in_order], axis=1)}


def with_names(logits, class_names):
    """`label`, string `(batch,)`, and `class_names`, string `(batch, num_classes)`."""
    names = tf.constant(list(class_names))
    return {
        "label": tf.gather(names, tf.argmax(logits, axis=-1)),
        "class_names": tf.tile(names[tf.newaxis], [tf.shape(logits)[0], 1]),
    }


def as_arrays(tensors):
    """A dictionary of tensors as arrays."""
    return {name: value.numpy() for name, value in tensors.items()}
