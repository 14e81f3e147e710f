"""The answer to a question, with its place in the context, over windows cut inside the graph."""

from albert_tf.data.windows import NOTES
from albert_tf.exporting.answers.base import (
    TEXTS,
    Answers,
    TextSignature,
    as_bytes,
    in_parts,
    within_bounds,
)
from albert_tf.tasks.answer_spans import choose

QUESTIONS = ("Who met?", "", "When was the decision put off, and by whom?")


class SpanAnswers(Answers):
    """`answer`, `start`, `end`, `score` and `null_odds`, as `predict` of the task gives them.

    The best texts are in the signature `n_best`, best first. Ids give the task's own outputs.
    """

    answers_move = True

    def text_signatures(self):
        if not self.reads_text:
            return []
        inputs = ("question", "context")
        return [
            TextSignature("serving_default", inputs, self._answer, self._expected),
            TextSignature("n_best", inputs, self._best, self._expected_best),
        ]

    def _best(self, run, texts):
        texts = texts | {"context": within_bounds(texts["context"])}
        windows = self.preprocessor(texts)
        outputs = in_parts(run, {name: windows[name] for name in self.model.input})
        notes = {name: windows[name] for name in NOTES}
        return self.model.read_answers(outputs, notes, texts["context"])

    def _answer(self, run, texts):
        best = self._best(run, texts)
        return choose(best, best["null_odds"], self.model.null_threshold)

    def sample_rows(self):
        contexts = [TEXTS[3], TEXTS[0], " ".join([TEXTS[2], TEXTS[3]] * 4)]
        return {"question": list(QUESTIONS), "context": contexts}

    def _expected(self, rows):
        says = self.model.predict(rows)
        return says | {"answer": as_bytes(says["answer"])}

    def _expected_best(self, rows):
        says = self.model.predict_n_best(rows)
        return says | {"text": as_bytes(says["text"])}
