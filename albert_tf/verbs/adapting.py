"""The verb that gives a vocabulary and its model new pieces, before pretraining goes on."""

import sys
from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag

FORMATS = ("auto", "file", "blank-line", "markdown", "jsonl")
VOCABULARY = Path("assets", "tokenizer", "vocabulary.spm")


@dataclass(frozen=True, kw_only=True)
class Extend:
    """Extend a model and its vocabulary by pieces for your own text; see docs/domain-adaptation.md.

    What it writes is where `albert-tf pretrain --from` goes on.
    """

    model: Path = flag("preset, published checkpoint or run, with its vocabulary")
    texts: tuple[str, ...] = flag("text files, folders or patterns, as for `prepare`")
    out: Path = flag("new directory: a preset with its vocabulary")
    pieces: int = flag("new pieces, at most", default=1000)
    max_sentences: int = flag("read so many sentences of the texts", default=1_000_000)
    format: str = flag("of the files; auto goes by the suffix", choices=FORMATS, default="auto")
    field: str = flag("key of the text in JSON lines", default="text")

    def __post_init__(self):
        for name in ("pieces", "max_sentences"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be at least 1: got {getattr(self, name)}."
                )

    def start(self):
        from albert_tf.training.vocabulary import sentences_of
        from albert_tf.training.vocabulary_extension import extend

        run = self.model / "model"
        done = extend(
            run if run.is_dir() else self.model,
            sentences_of(self.texts, self.format, self.field),
            self.out,
            self.pieces,
            max_sentences=self.max_sentences,
        )
        before, after = done["tokens_before"], done["tokens_after"]
        print(
            f"{done['new_pieces']} pieces are new, {done['vocabulary_size']:,} in all: the texts "
            f"take {after:,} tokens instead of {before:,} ({after / before - 1:+.1%})."
        )
        print("Most is saved by " + " ".join(done["examples"]))
        for head in done["fresh_heads"]:
            print(f"The model had no {head}: it is new and must be trained.", file=sys.stderr)
        print(f"The model is in {self.out}, its vocabulary in {self.out / VOCABULARY}.")
