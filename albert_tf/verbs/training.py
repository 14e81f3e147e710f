"""The verbs that make a model, score it and ask it.

A verb is one dataclass: its fields are flags and recipe keys. TensorFlow loads only inside
`start`, so that `--help` is instant.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag
from albert_tf.training.settings import PRECISIONS, FineTuneSettings


@dataclass(frozen=True, kw_only=True)
class Quickstart:
    """Do the whole job on the docstrings of this machine: pretrain, fine-tune, export, serve."""

    out: Path = flag("new directory for everything", default=Path("albert-quickstart"))
    precision: str = flag("of the arithmetic", choices=PRECISIONS, default="auto")
    seed: int = flag("of all chance", default=0)

    def start(self):
        from albert_tf.quickstart.run import run
        from albert_tf.quickstart.scale import Scale

        run(self.out, self.seed, Scale(precision=self.precision))


@dataclass(frozen=True, kw_only=True)
class Finetune(FineTuneSettings):
    """Train a classifier or a regression on labelled texts, or on a GLUE task."""

    def start(self):
        from albert_tf.training.finetune import fine_tune

        summary = fine_tune(self)
        print(json.dumps(summary["dev"], indent=2))
        print(f"The run is in {self.out}: its numbers in summary.json, its model in model/.")
        cut, total = summary["train_examples_cut"], summary["train_examples"]
        if cut:
            print(f"{cut} of {total} training texts were cut at {self.sequence_length} tokens.")
        for warning in summary["warnings"]:
            print(f"WARNING: {warning}", file=sys.stderr)
        return 0 if summary["dev"] else 1

    def describe(self):
        from albert_tf.training.preparation import prepare

        print(json.dumps(prepare(self).describe(), indent=2))


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a trained run on labelled texts."""

    run: Path = flag("directory that `albert-tf finetune` wrote")
    data: Path | None = flag("labelled file; without it the dev rows of the run", default=None)
    glue: Path | None = flag("folder of the GLUE files, if it moved since the run", default=None)
    text: str | None = flag("column of the texts (default: as in the run)", default=None)
    text_pair: str | None = flag(
        "column of the second texts (default: as in the run)", default=None
    )
    label: str | None = flag("column of the labels (default: as in the run)", default=None)
    separator: str | None = flag("between labels of a row (default: as in the run)", default=None)
    header: bool | None = flag("the first row names the columns (as in the run)", default=None)
    metrics: tuple[str, ...] = flag("scores to compute", default=())
    out: Path | None = flag("write each answer to this new .tsv or .jsonl file", default=None)
    batch_size: int = flag("examples a batch", default=64)
    precision: str = flag("of the arithmetic", choices=PRECISIONS, default="float32")

    def start(self):
        from albert_tf.staging import refuse_existing
        from albert_tf.training import evaluation
        from albert_tf.training.answers import answer_rows, write_answers

        if self.out is not None:
            refuse_existing(self.out)
        model = evaluation.load_classifier(self.run, self.precision)
        columns = {name: getattr(self, name) for name in evaluation.COLUMNS}
        examples = evaluation.read_for_run(model, self.run, self.data, self.glue, **columns)
        scores, logits = evaluation.evaluate(model, examples, self.metrics, self.batch_size)
        print(json.dumps(scores, indent=2))
        if self.out is not None:
            write_answers(answer_rows(model, examples, logits), self.out)


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Answer texts with a trained run: from --text, from a file, or from standard input."""

    run: Path = flag("directory that `albert-tf finetune` wrote")
    text: tuple[str, ...] = flag("texts to answer", default=())
    text_pair: tuple[str, ...] = flag("their second texts, for a model of pairs", default=())
    file: Path | None = flag("a .txt file of one text a line, or .tsv, .csv, .jsonl", default=None)
    column: str = flag("column of the texts in --file", default="text")
    column_pair: str | None = flag("column of the second texts in --file", default=None)
    header: bool = flag("the first row of a .tsv or .csv file names the columns", default=True)
    format: str = flag("of the answers", choices=("table", "jsonl"), default="table")
    batch_size: int = flag("texts a batch", default=64)
    precision: str = flag("of the arithmetic", choices=PRECISIONS, default="float32")

    def __post_init__(self):
        if self.text and self.file:
            raise ValueError("Name the texts with --text or with --file, not both.")
        if self.text_pair and len(self.text_pair) != len(self.text):
            raise ValueError(
                f"--text-pair must come once for each --text: got {len(self.text_pair)} for "
                f"{len(self.text)}."
            )

    def start(self):
        from albert_tf.training.answers import answer_rows, predict_logits
        from albert_tf.training.batches import token_counts
        from albert_tf.training.evaluation import load_classifier

        examples = self._examples()
        model = load_classifier(self.run, self.precision)
        lengths = token_counts(examples, model.preprocessor.tokenizer)
        logits = predict_logits(model, examples, lengths, self.batch_size)
        for row in answer_rows(model, examples, logits):
            print(json.dumps(row, ensure_ascii=False) if self.format == "jsonl" else _line(row))
        limit = model.preprocessor.sequence_length
        if cut := int((lengths > limit).sum()):
            print(f"{cut} of {len(examples)} texts were cut at {limit} tokens.", file=sys.stderr)

    def _examples(self):
        from albert_tf.data.tables import Examples, read_examples

        if self.text:
            return Examples(list(self.text), list(self.text_pair) or None)
        if self.file is None:
            lines = [line.rstrip("\r\n") for line in sys.stdin]
            if not lines:
                raise ValueError(
                    "There is no text to answer: give --text, --file or lines on stdin."
                )
            return Examples(lines)
        return read_examples(
            self.file,
            text=self.column,
            text_pair=self.column_pair,
            label=None,
            header=self.header,
        )


def _line(row):
    """One answer as a line: what it is, how sure, and the text."""
    text = row["text"] + (f" | {row['text_pair']}" if "text_pair" in row else "")
    if "probabilities" not in row:
        return f"{row['prediction']:10.4f}  {text}"
    answer = row["prediction"]
    answer = ", ".join(answer) or "(none)" if isinstance(answer, list) else answer
    ranked = sorted(row["probabilities"].items(), key=lambda item: -item[1])[:3]
    shares = " ".join(f"{name}={share:.3f}" for name, share in ranked)
    return f"{answer:20}  {shares:40}  {text}"
