"""Question answering: data, model, answers, scores and files."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.data.squad import QuestionExamples, read_questions, read_squad
from albert_tf.metrics import answer_f1, squad_scores
from albert_tf.staging import new_file
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.overlap import shared_fraction
from albert_tf.training.jobs.rows import training_rows, write_rows
from albert_tf.training.jobs.starts import task_on
from albert_tf.training.report import Compared


@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Job):
    """Answers that are parts of a text (SQuAD 1.1 and 2.0).

    Args:
        question, context: columns of a table of questions without answers.
    """

    model_class = "question_answering"
    answer_key = "answer"

    question: str = "question"
    context: str = "context"

    def read_data(self, path, with_answers=True, class_names=None) -> QuestionExamples:
        """Reads one SQuAD file (`.json`), or, without answers, a TSV, CSV or JSON-lines file."""
        if with_answers or Path(path).suffix.lower() == ".json":
            return read_squad(path, labelled=with_answers)
        return read_questions(path, question=self.question, context=self.context)

    def ask(self, *, question, context) -> QuestionExamples:
        """Questions from the command line, each with its context or all with the only one."""
        if len(context) not in (1, len(question)):
            raise ValueError(
                f"--context must come once, or once for each --question: got {len(context)} for "
                f"{len(question)}."
            )
        contexts = list(context) * (len(question) if len(context) == 1 else 1)
        return QuestionExamples([str(i + 1) for i in range(len(question))], [*question], contexts)

    def texts(self, examples):
        return examples.questions + list(dict.fromkeys(examples.contexts))

    def build(
        self,
        start,
        examples=None,
        *,
        tokenizer=None,
        sequence_length=384,
        doc_stride=128,
        max_query_length=None,
        head=None,
        dropout=None,
        **more,
    ):
        """The model on `start`; see `task_on`.

        Args:
            start, tokenizer, **more: as `task_on` takes them.
            examples: to choose the head by.
            sequence_length, doc_stride, max_query_length: of the preprocessor.
            dropout: as `AlbertQuestionAnswering` takes it.
            head: `independent` or `conditional`; None for the original's choice: the conditional
                one where a question has no answer (2.0). Without examples: that of `start`.
        """
        if head is None and examples is not None:
            head = "conditional" if examples.any_unanswerable else "independent"
        sizes = {
            "sequence_length": sequence_length,
            "doc_stride": doc_stride,
            "max_query_length": max_query_length,
        }
        chosen = {} if head is None else {"head": head}
        return task_on(
            AlbertQuestionAnswering,
            start,
            tokenizer=tokenizer,
            packing=sizes,
            dropout=dropout,
            **chosen,
            **more,
        )

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, of questions with texts of similar length; see `training_rows`.

        A batch has `batch_size` questions, and more rows where contexts take several windows. Of
        several answers the first is trained on. The texts of contexts are held once, however many
        questions are asked of each.
        """
        contexts, place = np.unique(np.array(examples.contexts, object), return_inverse=True)
        first = [answers[0] if answers else ("", -1) for answers in examples.answers]
        questions, contexts = tf.constant(examples.questions), tf.constant(contexts.tolist())
        texts, starts = (tf.constant(list(column)) for column in zip(*first, strict=True))
        place = tf.constant(place)

        def take(indices):
            x = {
                "question": tf.gather(questions, indices),
                "context": tf.gather(contexts, tf.gather(place, indices)),
            }
            return x, {
                "answer_text": tf.gather(texts, indices),
                "answer_start": tf.gather(starts, indices),
            }

        lengths = [
            len(c) + len(q) for c, q in zip(examples.contexts, examples.questions, strict=True)
        ]
        return training_rows(np.array(lengths), take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=32) -> list[dict]:
        """What the model says of each question.

        Returns:
            Dictionaries of `id`; `question`; `answer`, "" for none; `start` and `end`, the answer
            being `context[start:end]`; `score`; `null_odds`, larger where no answer is likelier;
            `answers`, the best different texts whether or not there is an answer, dictionaries of
            `text`, `start`, `end`, `probability`, `start_score` and `end_score`; and of
            `expected`, a list of texts, where it is known.
        """
        asked = {"question": examples.questions, "context": examples.contexts}
        best = model.predict_n_best(asked, batch_size)
        chosen = model.choose(best)
        rows = []
        for i, id in enumerate(examples.ids):
            row = {"id": id, "question": examples.questions[i]}
            row |= {
                name: values[i].item() if name != "answer" else values[i]
                for name, values in chosen.items()
            }
            num_answers = max(1, sum(text != "" for text in best["text"][i]))
            names = ("text", "start", "end", "probability", "start_score", "end_score")
            columns = (best[name][i][:num_answers].tolist() for name in names)
            row["answers"] = [
                dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)
            ]
            if examples.answers is not None:
                row["expected"] = [answer.text for answer in examples.answers[i]]
            rows.append(row)
        return rows

    def score(self, rows, examples) -> dict[str, float]:
        """Scores of answers as of `squad_scores`; the first one picks the best weights.

        For SQuAD 1.1 that is `f1`; for 2.0 `best_f1`, the F1 at the threshold that suits these
        very questions best, as in the original. `finish` sets that threshold; `f1` and the others
        are those of the answers as the model gave them.
        """
        data = examples.as_squad()
        given = squad_scores(data, {row["id"]: row["answer"] for row in rows})
        given = {"f1": given.pop("f1"), "exact": given.pop("exact"), **given}
        if not examples.any_unanswerable:
            return given
        texts = {row["id"]: row["answers"][0]["text"] for row in rows}
        odds = {row["id"]: row["null_odds"] for row in rows}
        found = squad_scores(data, texts, odds)
        names = ("best_f1", "best_f1_thresh", "best_exact", "best_exact_thresh")
        return {name: found[name] for name in names} | given

    def finish(self, model, scores) -> None:
        """Sets what a dev set decides beside the weights: from which odds on there is no answer.

        Args:
            model: its `null_threshold` is set where the scores have one.
            scores: from `score`, of the weights that the model has.
        """
        if "best_f1_thresh" in scores:
            model.null_threshold = scores["best_f1_thresh"]

    def baselines(self, train, dev, model):
        """Answering nothing (2.0), and with the sentence that has most words of the question."""
        asked = zip(dev.questions, dev.contexts, strict=True)
        ways = {"overlap": [_likest_sentence(*pair) for pair in asked]}
        if dev.any_unanswerable:
            ways["no answer"] = [""] * len(dev)
        data, scores = dev.as_squad(), {}
        for way, answers in ways.items():
            found = squad_scores(data, dict(zip(dev.ids, answers, strict=True)))
            names = ("f1", "exact")
            scores[way] = {name: found[name] for name in names}
            if dev.any_unanswerable:
                scores[way] |= {f"best_{name}": found[name] for name in names}
        return scores

    def describe(self, model, train, dev):
        return {
            "head": model.get_config()["head"],
            "train_questions_without_answer": sum(not answers for answers in train.answers),
            "dev_questions_without_answer": sum(not answers for answers in dev.answers),
        }

    def compare(self, row):
        """The fewer words it shares with an answer, the further."""
        expected = " / ".join(dict.fromkeys(row["expected"])) or "(no answer)"
        error = 1.0 - answer_f1(row["answer"], row["expected"])
        return Compared(row["question"], expected, row["answer"] or "(no answer)", error)

    def line(self, row):
        best = row["answers"][0]["probability"] if row["answer"] else 0.0
        answer = row["answer"] or "(no answer)"
        return f"{answer:30}  {best:.3f}  {row['question']}"

    def write(self, rows, directory, examples=None):
        """Writes the original's `predictions.json`, `nbest_predictions.json` and `null_odds.json`,
        and JSON lines for people."""
        n_best = {
            row["id"]: [
                {
                    "text": answer["text"],
                    "probability": answer["probability"],
                    "start_log_prob": answer["start_score"],
                    "end_log_prob": answer["end_score"],
                }
                for answer in row["answers"]
            ]
            for row in rows
        }
        files = {
            "predictions.json": {row["id"]: row["answer"] for row in rows},
            "nbest_predictions.json": n_best,
            "null_odds.json": {row["id"]: row["null_odds"] for row in rows},
        }
        for name, values in files.items():
            with new_file(Path(directory) / name, overwrite=True) as staged:
                staged.write_text(json.dumps(values, indent=4) + "\n", encoding="utf-8")
        write_rows(rows, Path(directory) / "predictions.jsonl")


def _likest_sentence(question, context):
    """The sentence of a context that shares most words with a question."""
    sentences = re.split(r"(?<=[.!?])\s+", context)
    return max(sentences, key=lambda sentence: shared_fraction(question, sentence))
