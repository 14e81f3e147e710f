"""Text to text: pairs to learn from, answers, BLEU and chrF, and files."""

from dataclasses import dataclass
from pathlib import Path

import keras_hub
import numpy as np
import sacrebleu
import tensorflow as tf

from albert_tf.data.rows import read_rows
from albert_tf.data.tables import Examples, read_examples
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.seq2seq_lm import AlbertSeq2SeqLM
from albert_tf.tasks.writing import LengthBeamSampler
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.rows import training_rows, write_lines, write_rows
from albert_tf.training.jobs.starts import saved_class, task_on
from albert_tf.training.report import Compared

SCORES = ("bleu", "chrf")


@dataclass(frozen=True, kw_only=True)
class SequenceToSequence(Job):
    """A text for a text (translation, Multi30k; summaries; any generation).

    Args:
        source, target: columns of a table; or the ends of the names of two files whose lines
            belong together, such as `en` and `de`; see `read_data`.
        header: whether the first row of a TSV or CSV file names its columns.
        num_beams: of the answers; 1 writes greedily.
        length_penalty: of beams; see `LengthBeamSampler`.
        ignore_case: whether scores take capitals for small letters: for a vocabulary that has
            only these.
        metrics: of `SCORES`, the first one picks the best weights; empty for BLEU. Of short texts,
            such as titles, chrF tells more: many share no four words with what is expected.

    Raises:
        ValueError: a metric that does not exist.
    """

    model_class = "seq2seq_lm"

    source: str = "source"
    target: str = "target"
    header: bool = True
    num_beams: int = 1
    length_penalty: float = 1.0
    ignore_case: bool = False
    metrics: tuple[str, ...] = ()

    def __post_init__(self):
        for name in self.metrics:
            if name not in SCORES:
                raise ValueError(
                    f"There is no metric {name!r} for written texts: choose of {', '.join(SCORES)}."
                )

    def read_data(self, path, with_answers=True, class_names=None) -> Examples:
        """Reads pairs: sources as `texts`, targets as `text_pairs`.

        Args:
            path: a TSV, CSV or JSON-lines file with columns of these names; or the common
                beginning of two files of lines, such as `data/train` for `data/train.en` and
                `data/train.de` (or both with `.gz`).
            with_answers: False to read sources alone; then `path` may also be one file of lines.
            class_names: not read.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the files have not equally many lines, or what `read_examples` refuses.
        """
        if (files := self._files_of_lines(path)) is None:
            column = "text" if Path(path).name.removesuffix(".gz").endswith(".txt") else self.source
            pair = self.target if with_answers else None
            return read_examples(path, text=column, text_pair=pair, label=None, header=self.header)
        sources = read_rows(files[0], format="lines").column("text")
        if not with_answers:
            return Examples(sources)
        targets = read_rows(files[1], format="lines").column("text")
        if len(sources) != len(targets):
            raise ValueError(
                f"The lines of {files[0]} and {files[1]} must belong together: got "
                f"{len(sources)} and {len(targets)} lines."
            )
        return Examples(sources, targets)

    def _files_of_lines(self, path):
        for end in ("", ".gz"):
            files = [Path(f"{path}.{side}{end}") for side in (self.source, self.target)]
            if files[0].is_file():
                return files
        return None

    def ask(self, *, text) -> Examples:
        """Sources from the command line."""
        return Examples(list(text))

    def texts(self, examples) -> list[str]:
        """All texts of examples, both sides: for training one vocabulary on both."""
        return [*examples.texts, *(examples.text_pairs or [])]

    def build(
        self,
        start,
        examples=None,
        *,
        tokenizer=None,
        sequence_length=128,
        decoder_sequence_length=None,
        num_decoder_layers=None,
        decoder_sharing=None,
        share_encoder=None,
        label_smoothing=None,
        **more,
    ):
        """The model on `start`; see `task_on`.

        A new decoder starts from the encoder of a pretrained model, and is trained with a label
        smoothing of 0.1. One that was trained before stays, and so do its settings that are None.
        """
        given = {
            "num_decoder_layers": num_decoder_layers,
            "decoder_sharing": decoder_sharing,
            "share_encoder": share_encoder,
            "label_smoothing": label_smoothing,
        }
        given = {name: value for name, value in given.items() if value is not None}
        is_backbone = isinstance(start, AlbertBackbone)
        is_new = is_backbone or saved_class(start) != "AlbertSeq2SeqLM"
        if is_new:
            given.setdefault("label_smoothing", 0.1)
        packing = {
            "sequence_length": sequence_length,
            "decoder_sequence_length": decoder_sequence_length,
        }
        model = task_on(
            AlbertSeq2SeqLM, start, tokenizer=tokenizer, packing=packing, **given, **more
        )
        if is_new and not is_backbone:
            model.decoder.start_from_encoder()
        return model

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, of texts of similar length; see `training_rows`."""
        sources, targets = tf.constant(examples.texts), tf.constant(examples.text_pairs)

        def take(indices):
            return tf.gather(sources, indices), tf.gather(targets, indices)

        pairs = zip(examples.texts, examples.text_pairs, strict=True)
        lengths = np.array([len(source) + len(target) for source, target in pairs])
        return training_rows(lengths, take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=64) -> list[dict]:
        """What the model writes for each source.

        Returns:
            Dictionaries of `text`, `prediction`, and `expected` where it is known.
        """
        sampler = keras_hub.samplers.GreedySampler()
        if self.num_beams > 1:
            sampler = LengthBeamSampler(self.num_beams, self.length_penalty)
        model.set_sampler(sampler)
        written = model.generate(examples.texts, batch_size=batch_size)
        rows = []
        for i, prediction in enumerate(written):
            row = {"text": examples.texts[i], "prediction": prediction}
            if examples.text_pairs is not None:
                row["expected"] = examples.text_pairs[i]
            rows.append(row)
        return rows

    def score(self, rows, examples) -> dict[str, float]:
        """Scores of answers, by sacrebleu; the first one picks the best weights.

        Returns:
            `bleu` and `chrf`, from 0 to 100, with sacrebleu's own settings (13a, chrF2); and
            `length_ratio`, words written over words expected.
        """
        return self._scores([row["prediction"] for row in rows], examples)

    def baselines(self, train, dev, model=None) -> dict[str, dict[str, float]]:
        """What it takes no model to score.

        Returns:
            The scores of `copy`, the source as the answer; and of `beginning`, its first words, as
            many as the answers of the training have on average.
        """
        num_words = round(np.mean([len(text.split()) for text in train.text_pairs]))
        beginnings = [" ".join(text.split()[:num_words]) for text in dev.texts]
        ways = {"copy": dev.texts, "beginning": beginnings}
        return {way: self._scores(texts, dev) for way, texts in ways.items()}

    def _scores(self, written, examples):
        found = text_scores(written, examples.text_pairs, ignore_case=self.ignore_case)
        return {name: found[name] for name in dict.fromkeys((*self.metrics, *found))}

    def compare(self, row):
        """By chrF of the one sentence."""
        error = 1.0 - sacrebleu.sentence_chrf(row["prediction"], [row["expected"]]).score / 100.0
        return Compared(row["text"], row["expected"], row["prediction"], max(0.0, error))

    def write(self, rows, directory, examples=None):
        """Writes JSON lines, and `predictions.txt`, an answer a line, as sacrebleu takes it."""
        write_rows(rows, Path(directory) / "predictions.jsonl")
        lines = (" ".join(row["prediction"].split()) for row in rows)
        write_lines(lines, Path(directory) / "predictions.txt")


def text_scores(written, expected, ignore_case=False) -> dict[str, float]:
    """BLEU, chrF and length ratio of texts against one reference each; see `score`.

    Raises:
        ValueError: there are no texts, or not as many as references.
    """
    if not written or len(written) != len(expected):
        raise ValueError(
            f"Every text needs a reference, and there must be some: got {len(written)} texts and "
            f"{len(expected)} references."
        )
    bleu = sacrebleu.corpus_bleu(written, [expected], lowercase=ignore_case)
    chrf = sacrebleu.corpus_chrf(written, [expected])
    if ignore_case:
        lowered = ([text.lower() for text in side] for side in (written, expected))
        written, expected = lowered
        chrf = sacrebleu.corpus_chrf(written, [expected])
    ratio = bleu.sys_len / max(1, bleu.ref_len)
    return {"bleu": float(bleu.score), "chrf": float(chrf.score), "length_ratio": float(ratio)}
