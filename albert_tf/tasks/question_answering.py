"""Where in a text the answer to a question stands, and whether it is there (SQuAD 1.1 and 2.0)."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from albert_tf.layers.heads import ProjectionHead
from albert_tf.layers.span_head import ConditionalSpanHead
from albert_tf.tasks.answer_graphs import AnswerGraphs
from albert_tf.tasks.answer_spans import (
    Spans,
    answers_to_nothing,
    best_answers,
    choose,
    independent_spans,
    over_windows,
)
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.given_rows import BATCH_SIZE, is_dataset
from albert_tf.tasks.losses import ClassCrossentropy, LabelCrossentropy
from albert_tf.tasks.question_answering_preprocessor import (
    AlbertQuestionAnsweringPreprocessor,
    check_answers,
    question_and_context,
    question_columns,
)
from albert_tf.tasks.raw_batches import raw_batches, refuse_options

HEADS = ("independent", "conditional")


@keras.saving.register_keras_serializable("albert_tf")
class AlbertQuestionAnswering(AlbertTask, keras_hub.models.Task):
    """Start and end of the answer in the context, over as many windows as the context takes.

    | `head` | original | outputs of a call |
    | --- | --- | --- |
    | `independent` | `create_v1_model`, transformers | `start_logits`, `end_logits` |
    | `conditional` | `create_v2_model` | those of `ConditionalSpanHead` in prediction |

    With a preprocessor, `fit`, `evaluate` and `predict` take a dictionary of `question` and
    `context`, and the first two of `answer_text` and `answer_start` (the Unicode character of the
    context that the answer starts at; "" and -1 for no answer). A window that does not hold the
    answer is trained on as one without. The loss is half the cross-entropy of the start and half
    that of the end; for the conditional head and half that of answerability.

    `predict` then gives arrays `(num_questions,)`: `answer` (str, "" for none), `start` and `end`
    (the answer is `context[start:end]`), `score`, `null_odds`; `predict_n_best` gives more answers
    to each. Without a preprocessor all take arrays, `predict` gives the outputs of a call, and `y`
    is a dictionary of `start_logits` and `end_logits`, int `(batch,)` positions; for the
    conditional head also of `impossible_logits`, 0 or 1, and `x` has `start_positions`.

    Args:
        backbone: `AlbertBackbone`, with or without a pooler.
        preprocessor: `AlbertQuestionAnsweringPreprocessor`, or None to take arrays.
        head: `independent` or `conditional`.
        dropout: in [0, 1); for `independent` on the sequence output, None for 0; for
            `conditional` before the answerability logit, None for 0.1; both as the original.
        num_starts, num_ends: beams of the conditional head.
        num_answers: different texts that are weighed against each other.
        max_answer_length: longest answer, in pieces.
        null_threshold: a question of which the `null_odds` are larger has no answer; None gives
            every question an answer. May be set on the model, after a look at a dev set.
    """

    preprocessor_cls = AlbertQuestionAnsweringPreprocessor
    reads_pooler = False
    _graphs = None

    def __init__(
        self,
        backbone,
        preprocessor=None,
        head="independent",
        dropout=None,
        num_starts=5,
        num_ends=5,
        num_answers=20,
        max_answer_length=30,
        null_threshold=None,
        **kwargs,
    ):
        if head not in HEADS:
            raise ValueError(f"head must be one of {', '.join(HEADS)}: got {head!r}.")
        config, dtype = backbone.albert_config, backbone.dtype_policy
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.check_preprocessor(preprocessor)
        self.is_conditional = head == "conditional"
        self.dropout = dropout
        self.num_starts, self.num_ends = num_starts, num_ends
        self.num_answers, self.max_answer_length = num_answers, max_answer_length
        self.null_threshold = null_threshold
        inputs = backbone.input
        hidden = backbone(inputs)["sequence_output"]
        if self.is_conditional:
            rate = 0.1 if dropout is None else dropout
            self.head = ConditionalSpanHead(
                config, num_starts, num_ends, rate, dtype=dtype, name="conditional_span_head"
            )
            outputs = self.head(hidden, inputs["segment_ids"], inputs["padding_mask"])
        else:
            self.head = ProjectionHead(
                config, 2, dropout=dropout or 0.0, dtype=dtype, name="span_head"
            )
            spans = self.head(hidden)
            outputs = {"start_logits": spans[..., 0], "end_logits": spans[..., 1]}
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def call(self, inputs, training=None, **kwargs):
        if not (self.is_conditional and isinstance(inputs, dict) and "start_positions" in inputs):
            return super().call(inputs, training=training, **kwargs)
        hidden = self.backbone(inputs, training=training)["sequence_output"]
        return self.head(
            hidden,
            inputs["segment_ids"],
            inputs["padding_mask"],
            start_positions=inputs["start_positions"],
            training=training,
        )

    def default_loss(self):
        # Half each: the original trains on the mean of the two.
        losses = {name: ClassCrossentropy(0.5) for name in ("start_logits", "end_logits")}
        if self.is_conditional:
            losses["impossible_logits"] = LabelCrossentropy(0.5)
        return losses

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self._graphs = None  # as Keras forgets what it has traced

    def fit(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Trains; see the class, and `AlbertTask.fit`.

        Raises:
            ValueError: an answer does not stand at its first character. (In a dataset that is
                found on the way, as an `InvalidArgumentError`.)
        """
        if self.preprocessor is not None and y is not None:
            check_answers(x, y)
        return super().fit(x, y, batch_size, sample_weight, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y = self._targets(y, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, self._targets(y, y_pred), y_pred, sample_weight)

    def _targets(self, y, y_pred):
        """The targets that the head has: raw answers tell of answerability in any case."""
        if not isinstance(y, dict) or not set(y_pred) <= set(y):
            if self.is_conditional and "start_logits" not in y_pred:
                raise ValueError(
                    "The conditional head is trained on the true starts: x must have "
                    "start_positions, int (batch,), beside the ids."
                )
            return y
        return {name: y[name] for name in y_pred}

    def predict(self, x=None, batch_size=None, **kwargs):
        """Answers to raw questions, or the outputs of a call for arrays; see the class."""
        if self.preprocessor is None:
            return super().predict(x, batch_size, **kwargs)
        kwargs.pop("verbose", None)
        refuse_options(kwargs)
        return self.choose(self.predict_n_best(x, batch_size))

    def predict_n_best(self, x, batch_size=None):
        """The best different answers to raw questions, whatever `null_threshold` is.

        Args:
            x: a dictionary of `question` and `context`, a tuple of the two, or a dataset of
                batches of such.
            batch_size: questions a batch, those with texts of similar length together, and rows
                that the model reads at a time; a context of any length fits into memory.

        Returns:
            Dictionary of arrays `(num_questions, num_answers)`, as `best_answers` gives them, and
            `null_odds` float32 `(num_questions,)`, larger where no answer is likelier.
        """
        if self.preprocessor is None:
            raise ValueError("Raw questions need a preprocessor: this model has none.")
        if self._graphs is None or self._graphs.preprocessor is not self.preprocessor:
            self._graphs = AnswerGraphs(self)
        batch_size = batch_size or BATCH_SIZE
        parts, rows = [], []
        for indices, batch in raw_batches(x if is_dataset(x) else question_columns(x), batch_size):
            parts.append(self._graphs(*question_and_context(batch), max_rows=batch_size))
            rows.append(indices)
        if not parts:
            return answers_to_nothing(self.num_answers) | {"null_odds": np.zeros(0, np.float32)}
        back = np.argsort(np.concatenate(rows))
        merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return _as_arrays({name: values[back] for name, values in merged.items()})

    def choose(self, best):
        """From what `predict_n_best` gives to what `predict` gives, by `null_threshold`."""
        return _as_arrays(choose(best, best["null_odds"], self.null_threshold))

    def read_answers(self, outputs, windows, contexts):
        """From the outputs of a call to the best answers, in the graph.

        Args:
            outputs: what a call gives for `windows`.
            windows: what the preprocessor gives without `y`.
            contexts: string `(num_questions,)`.

        Returns:
            As `predict_n_best`, tensors.
        """
        if self.is_conditional:
            names = ("start_index", "start_log_probs", "end_index", "end_log_probs")
            spans = Spans(*(outputs[name] for name in names))
        else:
            logits = outputs["start_logits"], outputs["end_logits"]
            spans = independent_spans(*logits, windows, self.num_answers)
        best = best_answers(
            spans,
            windows,
            contexts,
            num_answers=self.num_answers,
            max_answer_length=self.max_answer_length,
        )
        num_questions = tf.shape(contexts)[0]
        if self.is_conditional:
            null_odds = over_windows(outputs["impossible_logits"], windows, num_questions)
        else:
            # [CLS] is the place of "no answer", as in BERT and transformers.
            null_score = outputs["start_logits"][:, 0] + outputs["end_logits"][:, 0]
            null_odds = over_windows(null_score, windows, num_questions)
            null_odds -= best["start_score"][:, 0] + best["end_score"][:, 0]
        return best | {"null_odds": null_odds}

    def get_config(self):
        return super().get_config() | {
            "head": HEADS[self.is_conditional],
            "dropout": self.dropout,
            "num_starts": self.num_starts,
            "num_ends": self.num_ends,
            "num_answers": self.num_answers,
            "max_answer_length": self.max_answer_length,
            "null_threshold": self.null_threshold,
        }


def _as_arrays(answers):
    arrays = {name: np.asarray(values) for name, values in answers.items()}
    for name in ("text", "answer"):
        if name in arrays:
            decoded = [t.decode() if isinstance(t, bytes) else t for t in arrays[name].flat]
            arrays[name] = np.array(decoded, object).reshape(arrays[name].shape)
    return arrays
