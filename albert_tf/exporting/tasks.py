"""The one place to add a task to: which answers each kind of model gives."""

from albert_tf.exporting.answers.base import Answers
from albert_tf.exporting.answers.choices import ChoiceAnswers
from albert_tf.exporting.answers.classes import (
    ClassAnswers,
    EarlyExitAnswers,
    OrderAnswers,
)
from albert_tf.exporting.answers.embeddings import EmbeddingAnswers
from albert_tf.exporting.answers.entities import EntityAnswers
from albert_tf.exporting.answers.masks import MaskAnswers
from albert_tf.exporting.answers.spans import SpanAnswers
from albert_tf.exporting.answers.written import WrittenAnswers
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.multiple_choice import AlbertMultipleChoice
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.tasks.seq2seq_lm import AlbertSeq2SeqLM
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_embedder import AlbertTextEmbedder
from albert_tf.tasks.token_classifier import AlbertTokenClassifier

ANSWERS = {
    AlbertTextClassifier: ClassAnswers,
    AlbertTextEmbedder: EmbeddingAnswers,
    AlbertEarlyExitClassifier: EarlyExitAnswers,
    AlbertTokenClassifier: EntityAnswers,
    AlbertQuestionAnswering: SpanAnswers,
    AlbertMultipleChoice: ChoiceAnswers,
    AlbertMaskedLM: MaskAnswers,
    AlbertSeq2SeqLM: WrittenAnswers,
    AlbertPretrainer: OrderAnswers,
    AlbertBackbone: Answers,
}


class NoExportError(TypeError):
    """There is no export of this kind for models of this class."""


def answers_of(model, options=None) -> Answers:
    """Finds the answers of a model by its class.

    Args:
        model: a task of this package, `AlbertPretrainer` or `AlbertBackbone`.
        options: `AnswerOptions`; None for its defaults.

    Raises:
        NoExportError: there is no export for this class.
        ValueError: an option that this model cannot have.
    """
    return family_of(model)(model, options)


def family_of(model) -> type[Answers]:
    """Finds the class of the answers of a model; raises as `answers_of`."""
    for kind, answers in ANSWERS.items():
        if isinstance(model, kind):
            return answers
    raise NoExportError(
        f"An export takes one of {', '.join(kind.__name__ for kind in ANSWERS)}: got "
        f"{type(model).__name__}."
    )
