"""The verbs that make pretraining data: a vocabulary, and shards of rows.

A verb is one dataclass: its fields are flags and recipe keys.
"""

import dataclasses
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag

FORMATS = ("auto", "file", "blank-line", "markdown", "jsonl")


@dataclass(frozen=True, kw_only=True)
class Vocab:
    """Train a SentencePiece vocabulary on text files, with the settings of the published one."""

    texts: tuple[str, ...] = flag("text files, folders or patterns, as for `prepare`")
    out: Path = flag("new .model file")
    size: int = flag("pieces, the special ones included", default=30_000)
    lowercase: bool = flag("lower-case the text", default=True)
    keep_accents: bool = flag("keep accents", default=False)
    character_coverage: float = flag("share of characters with a piece", default=0.99995)
    format: str = flag("of the files; auto goes by the suffix", choices=FORMATS, default="auto")
    field: str = flag("key of the text in JSON lines", default="text")

    needs_tensorflow = False

    def start(self):
        from albert_tf.training.vocabulary import sentences_of, train_vocabulary

        path = train_vocabulary(
            _counted(sentences_of(self.texts, self.format, self.field)),
            self.out,
            self.size,
            lowercase=self.lowercase,
            keep_accents=self.keep_accents,
            character_coverage=self.character_coverage,
        )
        print(f"The vocabulary of {self.size} pieces is in {path}.")


def _counted(sentences: Iterable[str]) -> Iterator[str]:
    """Shows on stderr how many were read, and what takes its time when all were."""
    from rich.console import Console

    console, number = Console(stderr=True), 0
    with console.status("reading") as status:
        for sentence in sentences:
            number += 1
            if number % 10_000 == 0:
                status.update(f"{number:,} sentences read")
            yield sentence
    console.print(f"{number:,} sentences read, now choosing pieces ...", highlight=False)


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """Turn raw text into shards of rows for pretraining; a killed run goes on where it was."""

    texts: tuple[str, ...] = flag("text files, folders (walked) or patterns; also .gz")
    vocabulary: Path = flag(
        "SentencePiece .model file, as `albert-tf vocab` writes it, or WordPiece vocab.txt; or a "
        "checkpoint that has one, such as books_small"
    )
    out: str = flag("new directory; unfinished work stands beside it under OUT.partial")
    sequence_length: int = flag("longest row in tokens, special ones included", default=128)
    objective: str = flag(
        "sop: segments in order or swapped; nsp: true or random next segment; none: one segment",
        choices=("sop", "nsp", "none"),
        default="sop",
    )
    single_sentence: str = flag(
        "a last sentence without neighbour: drop it, or pair it with another document's as the "
        "original does",
        choices=("drop", "reference"),
        default="drop",
    )
    short_prob: float = flag("odds that a row aims at a shorter length", default=0.1)
    echoes: float = flag(
        "share of the training rows that are a segment and its echo, with words left out, or "
        "another's: small models learn by it to compare texts",
        default=0.0,
    )
    masking: str = flag(
        "dynamic: masks are drawn in training, anew in each epoch; static: they are written",
        choices=("dynamic", "static"),
        default="dynamic",
    )
    copies: int = flag("how often the text is cut (and masked) anew", default=1)
    mask_fraction: float = flag("static: share of the tokens to predict", default=0.15)
    max_predictions: int = flag("static: most tokens to predict in a row", default=20)
    max_ngram: int = flag("static: longest masked span in words", default=3)
    whole_words: bool = flag("static: mask words whole, not single pieces", default=True)
    held_out: float = flag("share of the files (books) or documents kept out", default=0.02)
    shards: int = flag("files of training rows; a multiple of the training workers", default=16)
    format: str = flag(
        "of the files: one document a file, blank lines between documents, headings between "
        "chapters, a document a line; auto goes by the suffix",
        choices=FORMATS,
        default="auto",
    )
    field: str = flag("key of the text in JSON lines", default="text")
    sentences: str = flag(
        "split: find sentences in paragraphs; lines: each line is a sentence",
        choices=("split", "lines"),
        default="split",
    )
    lowercase: bool = flag("lower-case the text", default=True)
    keep_accents: bool = flag("keep accents", default=False)
    seed: int = flag("of all chance", default=0)
    workers: int | None = flag("processes (default: one a core)", default=None)
    runner: str | None = flag(
        "run on Apache Beam instead: paths may be those of its file systems",
        choices=("DirectRunner", "DataflowRunner", "FlinkRunner", "SparkRunner"),
        default=None,
    )
    beam_options: tuple[str, ...] = flag("options of Beam, as name=value or name", default=())

    needs_tensorflow = False

    def __post_init__(self):
        if self.runner is None and self.beam_options:
            raise ValueError(f"--beam-options need a --runner: got {' '.join(self.beam_options)}.")
        if self.runner is not None and self.workers is not None:
            raise ValueError(
                f"--workers is for a run without Beam: got {self.workers} and {self.runner}. "
                "Each runner has an option of its own, DirectRunner direct_num_workers."
            )

    def settings(self):
        """The settings that decide about the bytes."""
        from albert_tf.data.preparation.settings import PreparationSettings

        names = [field.name for field in dataclasses.fields(PreparationSettings)]
        return PreparationSettings(**{name: getattr(self, name) for name in names})

    def start(self):
        manifest = self._prepare_locally() if self.runner is None else self._prepare_with_beam()
        print(summarize(manifest, self.out))

    def _prepare_locally(self):
        from albert_tf.data.preparation.run import prepare

        return prepare(
            self.texts,
            self._vocabulary_file(),
            self.out,
            self.settings(),
            num_workers=self.workers,
            quiet=False,
        )

    def _prepare_with_beam(self):
        if importlib.util.find_spec("apache_beam") is None:
            raise ModuleNotFoundError(
                "--runner needs Apache Beam: pip install 'albert-tf[data]'. Without --runner the "
                "same records are made by processes of this machine."
            )
        from albert_tf.data.preparation.beam import prepare_with_beam

        return prepare_with_beam(
            self.texts,
            self._vocabulary_file(),
            self.out,
            self.settings(),
            self.runner,
            self.beam_options,
        )

    def _vocabulary_file(self):
        """The file itself; only a folder or the name of a shipped model is looked into."""
        from albert_tf.checkpoints.files import is_shipped, vocabulary_of
        from albert_tf.training.run_files import model_folder

        if self.vocabulary.is_dir():
            return vocabulary_of(model_folder(self.vocabulary))
        if not self.vocabulary.exists() and is_shipped(self.vocabulary):
            return vocabulary_of(self.vocabulary)
        return self.vocabulary


def summarize(manifest: dict, out) -> str:
    """A few lines on what was written."""
    lines = [f"{'split':10}{'documents':>12}{'rows':>14}{'tokens':>16}{'files':>8}{'MB':>9}"]
    for name, split in manifest["splits"].items():
        megabytes = sum(shard["bytes"] for shard in split["shards"]) / 1e6
        lines.append(
            f"{name:10}{split['documents']:>12,}{split['rows']:>14,}{split['tokens']:>16,}"
            f"{len(split['shards']):>8}{megabytes:>9,.1f}"
        )
    text = manifest["text"]
    lines.append(f"from {text['sentences']:,} sentences of {text['tokens']:,} tokens")
    return "\n".join([*lines, f"The records are in {out}, described by its manifest.json."])
