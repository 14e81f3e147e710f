"""The verbs that make pretraining data: a vocabulary, and shards of rows.

A verb is one dataclass: its fields are flags and recipe keys.
"""

import dataclasses
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

    def start(self):
        from albert_tf.training.vocabulary import sentences_of, train_vocabulary

        path = train_vocabulary(
            sentences_of(self.texts, self.format, self.field),
            self.out,
            self.size,
            lowercase=self.lowercase,
            keep_accents=self.keep_accents,
            character_coverage=self.character_coverage,
        )
        print(f"The vocabulary of {self.size} pieces is in {path}.")


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """Turn raw text into shards of rows for pretraining; a killed run goes on where it was."""

    texts: tuple[str, ...] = flag("text files, folders (walked) or patterns; also .gz")
    vocabulary: Path = flag("SentencePiece .model file, as `albert-tf vocab` writes it")
    out: Path = flag("new directory; unfinished work stands beside it under OUT.partial")
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

    needs_tensorflow = False

    def start(self):
        from albert_tf.data.preparation.run import prepare
        from albert_tf.data.preparation.settings import PreparationSettings

        names = [field.name for field in dataclasses.fields(PreparationSettings)]
        settings = {name: getattr(self, name) for name in names if hasattr(self, name)}
        manifest = prepare(
            self.texts,
            self.vocabulary,
            self.out,
            PreparationSettings(**settings),
            num_workers=self.workers,
            quiet=False,
        )
        print(summarize(manifest, self.out))


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
