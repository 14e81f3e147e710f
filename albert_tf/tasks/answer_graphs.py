"""The three steps from raw questions to answers, each traced once."""

import numpy as np
import tensorflow as tf

from albert_tf.data.windows import NOTES


class AnswerGraphs:
    """Windows of questions, the model on so many of them at a time, the answers.

    A plain object, which TensorFlow does not save along with the model that holds it.

    Args:
        model: `AlbertQuestionAnswering` with a preprocessor.

    Attributes:
        preprocessor: the one that was traced.
    """

    def __init__(self, model):
        column = tf.TensorSpec([None], tf.string)
        ids = {name: tf.TensorSpec([None, None], tf.int32) for name in model.input}
        outputs = {name: tf.TensorSpec(out.shape, out.dtype) for name, out in model.output.items()}
        notes = {name: tf.TensorSpec([None, None], tf.int32) for name in NOTES}
        notes["question_index"] = tf.TensorSpec([None], tf.int32)
        self._ids, self._notes = tuple(ids), tuple(notes)
        self.preprocessor = model.preprocessor
        self._cut = _graph(lambda *texts: self.preprocessor(texts), column, column)
        self._run = _graph(lambda rows: model(rows, training=False), ids)
        self._read = _graph(model.read_answers, outputs, notes, column)

    def __call__(self, question, context, max_rows) -> dict[str, np.ndarray]:
        """Answers questions.

        Args:
            question, context: string `(num_questions,)`, one question at least.
            max_rows: how many windows the model reads at a time.

        Returns:
            What `AlbertQuestionAnswering.read_answers` gives, as arrays.
        """
        windows = self._cut(question, context)
        parts = [
            self._run({name: windows[name][start : start + max_rows] for name in self._ids})
            for start in range(0, len(windows["token_ids"]), max_rows)
        ]
        outputs = {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}
        notes = {name: windows[name] for name in self._notes}
        answers = self._read(outputs, notes, context)
        return {name: values.numpy() for name, values in answers.items()}


def _graph(function, *specs):
    return tf.function(function, input_signature=specs, autograph=False)
