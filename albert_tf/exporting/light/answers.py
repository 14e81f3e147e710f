"""Raw text to answers of each task, in plain Python and NumPy, beside the file's own numbers."""

import numpy as np

from albert_tf.exporting.light.base import LightAnswers
from albert_tf.exporting.light.entities import EntityAnswers
from albert_tf.exporting.light.masks import MaskAnswers
from albert_tf.exporting.light.rows import pack
from albert_tf.exporting.light.spans import SpanAnswers

BLANK = "_"
ORDERS = ("in order", "swapped")


class ClassAnswers(LightAnswers):
    """`label` and `probabilities`, or `score`."""

    optional = ("text_pair",)

    def answer(self, text, text_pair=None):
        return self.named(self.numbers(text, text_pair))

    def named(self, numbers):
        """The answer that the file's numbers mean."""
        if self.settings["is_regression"]:
            return {"score": float(numbers["score"])}
        names = self.description["class_names"]
        shares = numbers["probabilities"].tolist()
        best = names[int(numbers["logits"].argmax())]
        return {"label": best, "probabilities": dict(zip(names, shares, strict=True))}


class EarlyExitAnswers(ClassAnswers):
    """As `ClassAnswers`, and `depth`, how many steps it took."""

    def answer(self, text, text_pair=None):
        numbers = self.numbers(text, text_pair)
        return self.named(numbers) | {"depth": int(numbers["depth"])}


class OrderAnswers(LightAnswers):
    """Whether `text` and `text_pair` stand in order."""

    inputs = ("text", "text_pair")

    def answer(self, text, text_pair):
        first, second = self.tokenizer.encode(text), self.tokenizer.encode(text_pair)
        row = pack(self.tokenizer, self.limit, first, second)
        logits = self.run([row], mask_positions=[0])[0]["sop_logits"]
        shares = np.exp(logits - logits.max())
        shares = (shares / shares.sum()).tolist()
        best = ORDERS[int(np.argmax(logits))]
        return {"label": best, "probabilities": dict(zip(ORDERS, shares, strict=True))}


class EmbeddingAnswers(LightAnswers):
    """`embedding`, float32 `(hidden_size,)`."""

    def answer(self, text):
        return {"embedding": self.numbers(text)["embedding"]}


class ChoiceAnswers(LightAnswers):
    """`choice`, `index` and `probabilities`, as `AlbertMultipleChoice.choose`."""

    inputs = ("choices",)
    optional = ("text", "question")

    def answer(self, choices, text="", question=""):
        rows = [self._row(text, question, choice) for choice in choices]
        numbers = self.run.together(rows)
        shares = numbers["probabilities"][: len(choices)].tolist()
        best = int(numbers["index"])
        return {"choice": choices[best], "index": best, "probabilities": shares}

    def _row(self, text, question, choice):
        # Cleaned first, as in the original: compatibility forms of the blank are blanks.
        question, choice = map(self.tokenizer.clean, (question, choice))
        blank = BLANK in question
        asked = question.replace(BLANK, choice) if blank else f"{question} {choice}"
        asked = self.tokenizer.encode(asked)[-self.description["text"]["max_qa_length"] :]
        room = max(self.limit - 3 - len(asked), 0)
        return pack(self.tokenizer, self.limit, self.tokenizer.encode(text)[:room], asked)


FAMILIES = {
    "text_classifier": ClassAnswers,
    "early_exit_classifier": EarlyExitAnswers,
    "pretrainer": OrderAnswers,
    "text_embedder": EmbeddingAnswers,
    "multiple_choice": ChoiceAnswers,
    "question_answering": SpanAnswers,
    "token_classifier": EntityAnswers,
    "masked_lm": MaskAnswers,
}


def answers_of(description, tokenizer, run):
    """The answers of the task that a description names.

    Raises:
        ValueError: there are none for this task.
    """
    family = FAMILIES.get(description["task"])
    if family is None:
        raise ValueError(
            f"Raw text is answered for {', '.join(FAMILIES)}: got {description['task']}, whose "
            "file takes ids and gives its own outputs."
        )
    return family(description, tokenizer, run)
