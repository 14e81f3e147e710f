"""What each task takes from a client and gives back: the one place to add a task to.

A class here stands for a kind of model. It names the text inputs of the signatures, and turns the
model's outputs into tensors that a client can use as they are.
"""

import tensorflow as tf

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.multiple_choice import AlbertMultipleChoice
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.token_classifier import AlbertTokenClassifier


class Answers:
    """The model's own outputs under their own names, from ids alone; a single one is `logits`.

    Args:
        model: the model that is exported.
        pair: whether the text signatures take two texts.

    Attributes:
        text_inputs: names of the string inputs `(batch,)`; empty where only ids are taken.
        method: `classify` or `regress`, TF Serving's call that fits the task; None for neither.
            A class that sets it has a method of that name.
    """

    text_inputs: tuple[str, ...] = ()
    method: str | None = None

    def __init__(self, model, pair=False):
        self.model = model
        if pair and not self.text_inputs:
            raise ValueError(
                f"pair=True needs a model that takes text: this {type(model).__name__} takes ids. "
                "Its signature `tokens` takes pairs as they are, told apart by segment_ids."
            )

    def encode(self, texts):
        """Ids for the model, from a dictionary of string tensors named as in `text_inputs`."""
        return self.model.preprocessor(texts)

    def answer_texts(self, run, texts):
        """All named answers to texts.

        Args:
            run: takes a dictionary of ids, gives the outputs of the model.
            texts: dictionary of string tensors `(batch,)`, named as in `text_inputs`.
        """
        return self.named(run(self.encode(texts)))

    def numbers(self, outputs):
        """Named float32 answers; all that a TFLite file gives."""
        outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
        return {name: tf.cast(value, tf.float32) for name, value in outputs.items()}

    def named(self, outputs):
        """All named answers of `serving_default` and `tokens`."""
        return self.numbers(outputs)


class TextClassifierAnswers(Answers):
    """The class name and its probability; the score alone for a regression.

    A multi-label model answers with the probability of each label on its own, and `label` names
    the likeliest.
    """

    def __init__(self, model, pair=False):
        if model.preprocessor is not None:
            self.text_inputs = ("text", "text_pair") if pair else ("text",)
        self.method = "regress" if model.is_regression else "classify"
        self.class_names = model.class_names or [str(i) for i in range(model.num_classes)]
        super().__init__(model, pair)

    def numbers(self, outputs):
        if self.model.is_regression:
            return {"score": tf.squeeze(outputs, axis=1)}
        chances = tf.sigmoid if self.model.multi_label else tf.nn.softmax
        return {"logits": tf.identity(outputs), "probabilities": chances(outputs)}

    def named(self, outputs):
        numbers = self.numbers(outputs)
        if self.model.is_regression:
            return numbers
        names = tf.constant(self.class_names)
        return numbers | {
            "label": tf.gather(names, tf.argmax(outputs, axis=-1)),
            "class_names": tf.tile(names[tf.newaxis], [tf.shape(outputs)[0], 1]),
        }

    def classify(self, named):
        """The answer to TF Serving's Classify call, which fixes these names."""
        return {"classes": named["class_names"], "scores": named["probabilities"]}

    def regress(self, named):
        """The answer to TF Serving's Regress call, which fixes this name."""
        return {"outputs": named["score"]}


ANSWERS = {
    AlbertTextClassifier: TextClassifierAnswers,
    AlbertTokenClassifier: Answers,
    AlbertQuestionAnswering: Answers,
    AlbertMultipleChoice: Answers,
    AlbertMaskedLM: Answers,
    AlbertPretrainer: Answers,
    AlbertBackbone: Answers,
}


def answers_of(model, pair=False):
    """Finds the answers of a model by its class.

    Raises:
        TypeError: there is no export for this class.
        ValueError: `pair` for a model that takes no text.
    """
    for kind, answers in ANSWERS.items():
        if isinstance(model, kind):
            return answers(model, pair)
    raise TypeError(
        f"An export takes one of {', '.join(kind.__name__ for kind in ANSWERS)}: got "
        f"{type(model).__name__}."
    )
