"""Raw questions and contexts to the windows that a model reads."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from albert_tf.data.squad import Answer, check_answer
from albert_tf.data.windows import WindowSizes, make_windows
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.text.nested import as_text
from albert_tf.tokenizer import AlbertTokenizer

MODEL_INPUTS = ("token_ids", "segment_ids", "padding_mask")


@keras.saving.register_keras_serializable("albert_tf")
class AlbertQuestionAnsweringPreprocessor(keras_hub.models.Preprocessor):
    """Tokenizes questions with their contexts and cuts them into windows, in the graph.

    A question that is too long is cut at its end; a context that is too long is read through
    several windows, so that there are at least as many rows as questions (`make_windows`).

    Args:
        tokenizer: `AlbertTokenizer`.
        sequence_length: longest row in tokens, special tokens included. Rows are padded to the
            longest of their batch, not to this length.
        doc_stride: how far one window starts behind the other, in tokens.
        max_query_length: longest question in tokens; None for 64, or a third of a row that is
            shorter than three of these.

    Call arguments:
        x: a dictionary of `question` and `context`, strings or string tensors `(batch,)`, or a
            tuple of the two.
        y: None, or a dictionary of `answer_text` and `answer_start`: the text, "" where there is
            no answer, and which Unicode character of the context it starts at.
        sample_weight: float `(batch,)`, or None.

    Returns:
        Without `y`, what `make_windows` gives: the model's inputs and the notes that lead back to
        the context. With `y`, a tuple: the model's inputs with `start_positions`; a dictionary of
        `start_logits`, `end_logits` int32 and `impossible_logits` float32, `(num_windows,)`; and
        the weight of each window, where there are weights.

    Raises:
        tf.errors.InvalidArgumentError: an answer does not stand at its offset.
    """

    backbone_cls = AlbertBackbone
    tokenizer_cls = AlbertTokenizer

    def __init__(
        self, tokenizer, sequence_length=384, doc_stride=128, max_query_length=None, **kwargs
    ):
        super().__init__(**kwargs)
        if max_query_length is None:
            max_query_length = min(64, sequence_length // 3)
        self.tokenizer = tokenizer
        self.sizes = WindowSizes(sequence_length, doc_stride, max_query_length)

    @property
    def sequence_length(self):
        """Longest row in tokens."""
        return self.sizes.sequence_length

    def build(self, input_shape):
        self.built = True

    def __call__(self, x, y=None, sample_weight=None, **kwargs):
        # keras_hub takes a lone tuple for (x, y); here it is a question and its context.
        return super().__call__(x, y=y, sample_weight=sample_weight, **kwargs)

    def call(self, x, y=None, sample_weight=None):
        with tf.device("cpu"):
            question, context = (_column(as_text(text)) for text in question_and_context(x))
            if y is None:
                return make_windows(self.tokenizer, question, context, self.sizes)
            text, start = answer_text_and_start(y)
            answers = _column(as_text(text)), _column(tf.convert_to_tensor(start))
            windows = make_windows(self.tokenizer, question, context, self.sizes, answers)
            x = {name: windows[name] for name in (*MODEL_INPUTS, "start_positions")}
            y = {
                "start_logits": windows["start_positions"],
                "end_logits": windows["end_positions"],
                "impossible_logits": tf.cast(windows["is_impossible"], tf.float32),
            }
            if sample_weight is not None:
                sample_weight = tf.gather(
                    _column(tf.convert_to_tensor(sample_weight)), windows["question_index"]
                )
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def get_config(self):
        return super().get_config() | {
            "sequence_length": self.sizes.sequence_length,
            "doc_stride": self.sizes.doc_stride,
            "max_query_length": self.sizes.max_query_length,
        }


def question_and_context(x):
    """Both texts of a dictionary or tuple of them, or of a tuple (such texts, labels).

    Raises:
        ValueError: it is none of these, or has other names.
    """
    if isinstance(x, tuple) and x and isinstance(x[0], (dict, tuple)):
        x = x[0]
    if isinstance(x, dict) and set(x) == {"question", "context"}:
        return x["question"], x["context"]
    if isinstance(x, tuple) and len(x) == 2:
        return x
    got = f"the names {', '.join(sorted(x))}" if isinstance(x, dict) else f"a {type(x).__name__}"
    raise ValueError(
        "Questions come with their contexts, as a dictionary of question and context or as a tuple "
        f"(questions, contexts): got {got}."
    )


def question_columns(x):
    """Questions and contexts as a dictionary of string tensors `(num_questions,)`.

    Raises:
        ValueError: as `question_and_context`, or they are no two lists of one length.
    """
    question, context = map(as_text, question_and_context(x))
    if question.shape.rank != 1 or question.shape != context.shape:
        raise ValueError(
            "Questions and contexts come as two lists of one length: got shapes "
            f"{tuple(question.shape)} and {tuple(context.shape)}. Put a single one in a list."
        )
    return {"question": question, "context": context}


def check_answers(x, y):
    """Raises `ValueError` where an answer to raw questions does not stand at its offset."""
    contexts = _strings(question_columns(x)["context"])
    texts, starts = answer_text_and_start(y)
    rows = zip(contexts, _strings(as_text(texts)), np.asarray(starts).tolist(), strict=True)
    for number, (context, text, start) in enumerate(rows):
        if text:
            check_answer(context, Answer(text, start), f"question {number}")


def answer_text_and_start(y):
    """Both parts of the answers.

    Raises:
        ValueError: it is no dictionary of just these names.
    """
    if isinstance(y, dict) and set(y) == {"answer_text", "answer_start"}:
        return y["answer_text"], y["answer_start"]
    got = f"the names {', '.join(sorted(y))}" if isinstance(y, dict) else f"a {type(y).__name__}"
    raise ValueError(
        "Answers come as a dictionary of answer_text and answer_start (the Unicode character of "
        f'the context that it starts at; "" and -1 for no answer): got {got}.'
    )


def _strings(texts):
    return [text.decode(errors="replace") for text in texts.numpy()]


def _column(values):
    return tf.expand_dims(values, 0) if values.shape.rank == 0 else values
