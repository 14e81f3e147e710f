"""The verbs that make a model, score it and ask it.

A verb is one dataclass: its fields are flags and recipe keys. TensorFlow loads only inside
`start`, so that `--help` is instant.
"""

import inspect
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag, recipe_of
from albert_tf.training.settings import PRECISIONS, FineTuneSettings, ReadingOptions

# What one may ask on the command line.
ASKED = ("text", "text_pair", "question", "context", "choice")


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
    """Train a model for a task: GLUE, SQuAD, RACE, entities, or files of your own."""

    def start(self):
        from albert_tf.training.finetune import fine_tune
        from albert_tf.training.run_files import model_folder
        from albert_tf.training.seeds import fine_tune_seeds

        summary = fine_tune(self) if self.seeds == 1 else fine_tune_seeds(self)
        print(json.dumps(summary["dev"], indent=2))
        if summary["baseline"] is not None:
            print(f"Without a model {summary['metrics'][0]} is {summary['baseline']:.4f} at best.")
        model = model_folder(self.out)
        where = f", its model in {model.relative_to(self.out)}/" if model != self.out else ""
        print(f"The run is in {self.out}: its numbers in report.html{where}.")
        if cut := summary.get("train_examples_cut"):
            total = summary["train_examples"]
            length = summary["options"]["sequence_length"]
            print(f"{cut} of {total} training texts were cut at {length} tokens.")
        for warning in summary["warnings"]:
            print(f"WARNING: {warning}", file=sys.stderr)
        return 0 if summary["dev"] else 1

    def describe(self):
        from albert_tf.training.preparation import prepare

        ready = prepare(self)
        recipe = recipe_of(ready.settings)
        print(json.dumps({"recipe": recipe, **ready.describe()}, indent=2))


@dataclass(frozen=True, kw_only=True)
class Evaluate(ReadingOptions):
    """Score a trained run on data with answers."""

    run: Path = flag("directory that `albert-tf finetune` wrote, or a model", may_lead=True)
    task: str | None = flag("task (default: that of the run)", default=None)
    data: Path | None = flag(
        "file, or folder of the data set; without it the dev rows of the run", default=None
    )
    split: str = flag("part of the data set", default="dev")
    out: Path | None = flag(
        "write the answers to this new .tsv or .jsonl file, or as official files into this new "
        "directory",
        default=None,
    )
    batch_size: int = flag("examples a batch", default=64)
    precision: str = flag("of the arithmetic", choices=PRECISIONS, default="float32")

    def __post_init__(self):
        _check_batch_size(self.batch_size)

    def start(self):
        from albert_tf.staging import refuse_existing
        from albert_tf.training.answer_files import write_answers
        from albert_tf.training.evaluation import load_run
        from albert_tf.training.jobs.table import reading_options_in

        if self.out is not None:
            refuse_existing(self.out)
        trained = load_run(self.run, self.precision, self.task, **reading_options_in(self))
        job, examples = trained.job, trained.read(self.data, self.split)
        scores, rows = job.evaluate(trained.model, examples, self.batch_size)
        sizes = {"examples": len(examples), "examples_cut": job.num_cut(trained.model, examples)}
        print(json.dumps(sizes | scores, indent=2))
        if self.out is not None:
            write_answers(trained, rows, self.out, examples, self.split)


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Answer with a trained run: from the command line, a file, a data set, or standard input."""

    run: Path = flag(
        "directory that `albert-tf finetune` wrote, a model, or a .tflite file", may_lead=True
    )
    task: str | None = flag("task (default: that of the run)", default=None)
    text: tuple[str, ...] = flag("texts to answer; of multiple choice the passage", default=())
    text_pair: tuple[str, ...] = flag("their second texts, for a model of pairs", default=())
    question: tuple[str, ...] = flag("questions to answer", default=())
    context: tuple[str, ...] = flag("what they are asked of: one for all or each", default=())
    choice: tuple[str, ...] = flag("the choices of one question", default=())
    file: Path | None = flag(
        "file of the task without answers; of texts .txt (one a line), .tsv, .csv, .jsonl",
        default=None,
    )
    column: str | None = flag("column of the texts in --file (text)", default=None)
    column_pair: str | None = flag("column of the second texts in --file", default=None)
    header: bool = flag("the first row of a .tsv or .csv file names the columns", default=True)
    data: Path | None = flag("folder of the data set, for --split", default=None)
    split: str | None = flag("answer this part of the data set, such as test", default=None)
    num_beams: int | None = flag("of texts that are written (as in the run)", default=None)
    exit_patience: int | None = flag(
        "of a model with --early-exit: leave once so many depths more agree", default=None
    )
    out: Path | None = flag(
        "write the answers to this new .tsv or .jsonl file, or as official files (of GLUE, SQuAD, "
        "CoNLL) into this new directory",
        default=None,
    )
    format: str = flag("of the answers", choices=("table", "jsonl"), default="table")
    batch_size: int = flag("examples a batch", default=64)
    precision: str = flag("of the arithmetic", choices=PRECISIONS, default="float32")

    def __post_init__(self):
        asked = [name for name in ASKED if getattr(self, name)]
        sources = bool(asked) + (self.file is not None) + (self.split is not None)
        if sources > 1:
            raise ValueError(
                "Name what to answer on the command line, with --file or with --split, not both."
            )
        if self.data is not None and self.split is None:
            raise ValueError("--data is the folder of a data set: name the part with --split.")
        if self.text_pair and len(self.text_pair) != len(self.text):
            raise ValueError(
                f"--text-pair must come once for each --text: got {len(self.text_pair)} for "
                f"{len(self.text)}."
            )
        _check_batch_size(self.batch_size)

    @property
    def needs_tensorflow(self):
        """A TFLite file is answered with by the light runtime."""
        return self.run.suffix != ".tflite"

    def start(self):
        return self._ask_run() if self.needs_tensorflow else self._ask_light_model()

    def _ask_run(self):
        from albert_tf.data.rows import read_rows
        from albert_tf.staging import refuse_existing
        from albert_tf.training.answer_files import write_answers
        from albert_tf.training.evaluation import load_run

        if self.out is not None:
            refuse_existing(self.out)
        given = self._given()
        trained = load_run(self.run, self.precision, self.task, **self._options())
        job, model = trained.job, trained.model
        if given is None and is_raw_text(job, self.file):
            given = {"text": [row["text"] for row in read_rows(self.file).cells]}
        if given is not None:
            examples = ask(job, given)
        else:
            examples = trained.read(self.file or self.data, self.split, with_answers=False)
        rows = job.answer(model, examples, self.batch_size)
        if self.out is not None:
            write_answers(trained, rows, self.out, examples, self.split)
        else:
            for row in rows:
                json_line = json.dumps(row, ensure_ascii=False)
                print(json_line if self.format == "jsonl" else job.line(row))
        if cut := job.num_cut(model, examples):
            limit = model.preprocessor.sequence_length
            print(f"{cut} of {len(examples)} texts were cut at {limit} tokens.", file=sys.stderr)

    def _ask_light_model(self):
        from albert_tf.exporting.light.asking import ask_file, ask_rows

        own = ("task", "split", "out", "column", "column_pair", "num_beams", "exit_patience")
        given = [name for name in own if getattr(self, name) is not None]
        if given or not self.header:
            flags = [f"--{name.replace('_', '-')}" for name in given] or ["--no-header"]
            raise ValueError(
                "A .tflite file knows no data set, and takes columns named as its inputs: leave "
                f"{' and '.join(flags)} out."
            )
        given = self._given()
        rows = ask_rows(self.run, self.file) if given is None else ask_file(self.run, **given)
        for row in rows:
            json_line = json.dumps(row, ensure_ascii=False)
            print(json_line if self.format == "jsonl" else light_line(row))

    def _given(self):
        """What the command line or standard input asks; None where a file does."""
        if self.file is not None or self.split is not None:
            return None
        given = {name: getattr(self, name) for name in ASKED if getattr(self, name)}
        if not given:
            given = {"text": [line.rstrip("\r\n") for line in sys.stdin]}
            if not given["text"]:
                raise ValueError(
                    "There is no text to answer: give --text, --file or lines on stdin."
                )
        return given

    def _options(self):
        """How --file is read and answered; None for what the run was trained with."""
        columns = {"text": self.column, "text_pair": self.column_pair}
        columns |= {"num_beams": self.num_beams, "exit_patience": self.exit_patience}
        return columns | ({} if self.header else {"header": False})


def _check_batch_size(size):
    if size < 1:
        raise ValueError(f"--batch-size must be at least 1: got {size}.")


def light_line(row):
    """One answer of a TFLite file as a line: every value by its name."""
    return "  ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in row.items()
    )


def ask(job, given):
    """The examples that a command line asks a job.

    Raises:
        ValueError: the job asks for something else.
    """
    wanted = inspect.signature(job.ask).parameters
    required = required_of(job)
    if set(required) - set(given) or set(given) - set(wanted):
        names = ", ".join("--" + name.replace("_", "-") for name in required)
        more = [f"--{n.replace('_', '-')}" for n in wanted if n not in required]
        raise ValueError(
            f"This model is asked with {names}{' and perhaps ' + ', '.join(more) if more else ''}: "
            f"got {', '.join('--' + name.replace('_', '-') for name in given)}."
        )
    return job.ask(**given)


def required_of(job) -> list[str]:
    """What a job must be asked with."""
    parameters = inspect.signature(job.ask).parameters.items()
    return [name for name, p in parameters if p.default is p.empty and p.kind is p.KEYWORD_ONLY]


def is_raw_text(job, path) -> bool:
    """Whether a file has a text a line, for a job that answers texts."""
    suffixes = [] if path is None else [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    return suffixes[-1:] == [".txt"] and required_of(job) == ["text"]
