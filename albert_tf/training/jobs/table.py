"""All tasks by name: a task is a row of this table and a reader.

A row says which family reads, builds and scores; under which names the files of a data set lie in
its folder; and which options of the family are those of the data set. A new data set is a new row,
a new family a class on `Job` and a row in `FAMILIES`.
"""

import dataclasses
import difflib
import importlib
import inspect
from dataclasses import dataclass, field
from pathlib import Path

from albert_tf.data import glue, glue_tasks
from albert_tf.training.settings import ReadingOptions, TaskOptions

# Family -> where its class is. Loaded when asked for: each brings TensorFlow.
FAMILIES = {
    "text_classification": "TextClassification",
    "question_answering": "QuestionAnswering",
    "token_classification": "TokenClassification",
    "multiple_choice": "MultipleChoice",
    "fill_mask": "FillMask",
    "sentence_order": "SentenceOrder",
    "embeddings": "Embeddings",
    "sequence_to_sequence": "SequenceToSequence",
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row of the table.

    Args:
        family: key of `FAMILIES`.
        files: split -> names that its file or folder goes by; empty for a kind of task, whose
            files the user names.
        options: of the family, as the data set wants them.
        also: splits to score with the best weights beside `dev`.
        glue: key of the table of GLUE, whose files and downloads `data.glue` reads.
    """

    family: str
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    also: tuple[str, ...] = ()
    glue: str | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the parts of the data set."""
        return tuple(glue_tasks.TASKS[self.glue].splits if self.glue else self.files)

    def job(self, options=None):
        """The family with the options of the row, and over them those of the user.

        Args:
            options: of `TaskOptions` and `sequence_length`; None stands for the default.

        Returns:
            The `Job`, and the arguments of its `build`, all of them with values.

        Raises:
            ValueError: an option that the family does not have.
        """
        cls = family_class(self.family)
        given = {name: value for name, value in (options or {}).items() if value is not None}
        fields = {f.name for f in dataclasses.fields(cls)}
        building = _build_options(cls)
        unknown = sorted(given.keys() - fields - building.keys())
        if unknown:
            known = sorted((fields | building.keys()) & all_options())
            raise ValueError(
                f"{_flag(unknown[0])} is not for {self.family.replace('_', ' ')}, which takes "
                f"{', '.join(map(_flag, known))}."
            )
        values = self.options | given
        job = cls(**{name: value for name, value in values.items() if name in fields})
        return job, building | {name: v for name, v in values.items() if name in building}

    def read(self, job, split, folder=None, with_answers=True, class_names=None):
        """Reads one part of the data set.

        Args:
            job: from `job`.
            split: one of `splits`.
            folder: of the data set's files; None to download it.
            with_answers: False to leave the answers unread.
            class_names: as `Job.read_data` takes them.

        Raises:
            FileNotFoundError, ValueError: there is no such part, or it cannot be read.
        """
        if self.glue:
            job.check_names(class_names)
            return glue.read_glue(self.glue, split, folder, with_answers)
        if split not in self.files:
            raise ValueError(
                f"There is no part {split!r}: choose of {', '.join(self.files)}."
                if self.files
                else "This kind of task has no files of its own: name yours with --train and --dev."
            )
        if folder is None:
            raise ValueError("Name the folder of the data set's files with --data.")
        names = self.files[split]
        places = [Path(folder) / name for name in names]
        # Some families read the files that begin with a name: train.en, train.de.
        found = [p for p in places if p.exists() or any(p.parent.glob(f"{p.name}.*"))]
        if not found:
            raise FileNotFoundError(
                f"There is no {names[0]} in {folder}. Unpack the files of the data set there, or "
                "name yours with --train and --dev."
            )
        return job.read_data(found[0], with_answers, class_names)


def family_class(family):
    """The class of a family."""
    module = importlib.import_module(f"albert_tf.training.jobs.{family}")
    return getattr(module, FAMILIES[family])


def all_options() -> set[str]:
    """The names of all options of tasks that are flags."""
    return {f.name for f in dataclasses.fields(TaskOptions)} | {"sequence_length"}


def options_in(settings) -> dict:
    """The options of tasks among settings: values of a recipe, or a dataclass of flags."""
    if not isinstance(settings, dict):
        settings = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    return {name: settings[name] for name in all_options() if settings.get(name) is not None}


def reading_options_in(settings) -> dict:
    """Those of `options_in` that bear on reading alone."""
    names = {f.name for f in dataclasses.fields(ReadingOptions)}
    return {name: value for name, value in options_in(settings).items() if name in names}


def _build_options(cls):
    """The options that a family's `build` takes, with their defaults."""
    parameters = inspect.signature(cls.build).parameters.values()
    keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return {name: default for name, default in keywords.items() if name in all_options()}


def _flag(name):
    return "--" + name.replace("_", "-")


def _glue_row(name, row):
    options = {
        "text": row.text,
        "text_pair": row.text_pair,
        "label": row.label,
        "header": row.header,
        "problem": row.problem,
        "metrics": row.metrics,
        "values": row.values or (),
        "names": row.class_names or (),
    }
    also = tuple(split for split in row.splits if split.startswith("dev_"))
    return Task(family="text_classification", options=options, also=also, glue=name)


def _files(train, dev, test=None):
    return {"train": train, "dev": dev} | ({"test": test} if test else {})


TASKS = {
    # Kinds of tasks, on files of the user's.
    "text-classification": Task(family="text_classification"),
    "question-answering": Task(family="question_answering"),
    "entities": Task(family="token_classification"),
    "multiple-choice": Task(family="multiple_choice"),
    "fill-mask": Task(family="fill_mask"),
    "sentence-order": Task(family="sentence_order"),
    "embeddings": Task(family="embeddings"),
    "sequence-to-sequence": Task(family="sequence_to_sequence"),
    # Data sets.
    **{name: _glue_row(name, row) for name, row in glue_tasks.TASKS.items()},
    "squad": Task(
        family="question_answering", files=_files(("train-v1.1.json",), ("dev-v1.1.json",))
    ),
    "squad2": Task(
        family="question_answering",
        files=_files(("train-v2.0.json",), ("dev-v2.0.json",)),
        options={"head": "conditional"},
    ),
    "race": Task(family="multiple_choice", files=_files(("train",), ("dev",), ("test",))),
    "dream": Task(
        family="multiple_choice", files=_files(("train.json",), ("dev.json",), ("test.json",))
    ),
    "conll-2003": Task(
        family="token_classification",
        files=_files(
            ("train.txt", "eng.train"),
            ("valid.txt", "dev.txt", "eng.testa"),
            ("test.txt", "eng.testb"),
        ),
    ),
    "sts-b-embeddings": Task(
        family="embeddings",
        files=_files(("STS-B/train.tsv", "train.tsv"), ("STS-B/dev.tsv", "dev.tsv")),
        options={"text": "sentence1", "text_pair": "sentence2", "label": "score"},
    ),
    "multi30k": Task(
        family="sequence_to_sequence",
        files=_files(("train",), ("val",), ("test_2016_flickr", "test")),
        options={"source": "en", "target": "de"},
    ),
    "wnut-17": Task(
        family="token_classification",
        files=_files(("wnut17train.conll",), ("emerging.dev.conll",), ("emerging.test.annotated",)),
    ),
}
# Other names for some.
ALIASES = {
    "classification": "text-classification",
    "ner": "entities",
    "token-classification": "entities",
    "masked-lm": "fill-mask",
    "qa": "question-answering",
    "squad1": "squad",
    "squad1.1": "squad",
    "squad2.0": "squad2",
}


def find_task(name) -> tuple[str, Task]:
    """The row of a task, by a name such as `sst-2`, `SST-2` or `sst2`, with its name here.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    plain = {_plain(key): key for key in TASKS} | {_plain(k): v for k, v in ALIASES.items()}
    wanted = _plain(name)
    if wanted not in plain:
        close = difflib.get_close_matches(wanted, plain, n=1)
        hint = f" Did you mean {plain[close[0]]!r}?" if close else ""
        raise ValueError(f"There is no task {name!r}: choose of {', '.join(TASKS)}.{hint}")
    return plain[wanted], TASKS[plain[wanted]]


def _plain(name):
    return str(name).lower().replace("-", "").replace("_", "").replace(" ", "")
