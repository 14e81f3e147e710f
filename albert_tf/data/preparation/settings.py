"""All that decides which bytes a preparation writes, besides the text and the vocabulary."""

import dataclasses
from dataclasses import dataclass

from albert_tf.data.documents import FORMATS
from albert_tf.data.masking import MaskingLaw
from albert_tf.data.sentence_order import OBJECTIVES, SINGLE_SENTENCE

TRAIN = "train"
SPLITS = (TRAIN, "held_out")
MASKING = ("dynamic", "static")
SENTENCES = ("split", "lines")


@dataclass(frozen=True, kw_only=True)
class PreparationSettings:
    """Settings of one preparation; they stand in its manifest.

    Args:
        sequence_length: longest row in tokens, special ones included.
        objective: see `draw_segments`.
        single_sentence: see `draw_segments`.
        short_prob: see `draw_segments`.
        echoes: share of the training rows whose second segment is an echo, see `draw_echoes`.
        masking: `dynamic` leaves masking to training; `static` writes masked rows.
        copies: how often the text is cut (and masked) anew, the original's dupe_factor.
        mask_fraction, max_predictions, max_ngram, whole_words: of static masking, see
            `MaskingLaw`.
        lowercase, keep_accents: see `AlbertTokenizer`.
        held_out: share of the books or documents that go into the split of this name.
        shards: files of the split `train`.
        seed: of all chance.
        format: of the text files, or `auto`.
        field: key of the text in JSON lines.
        sentences: `split` looks for sentences in paragraphs; `lines` takes each line for one.
    """

    sequence_length: int = 128
    objective: str = "sop"
    single_sentence: str = "drop"
    short_prob: float = 0.1
    echoes: float = 0.0
    masking: str = "dynamic"
    copies: int = 1
    mask_fraction: float = 0.15
    max_predictions: int = 20
    max_ngram: int = 3
    whole_words: bool = True
    lowercase: bool = True
    keep_accents: bool = False
    held_out: float = 0.02
    shards: int = 16
    seed: int = 0
    format: str = "auto"
    field: str = "text"
    sentences: str = "split"

    def __post_init__(self):
        _check(self, "sequence_length", self.sequence_length >= 5, "5 or more")
        _check(self, "objective", self.objective in OBJECTIVES, f"one of {', '.join(OBJECTIVES)}")
        names = ", ".join(SINGLE_SENTENCE)
        _check(self, "single_sentence", self.single_sentence in SINGLE_SENTENCE, f"one of {names}")
        _check(self, "masking", self.masking in MASKING, f"one of {', '.join(MASKING)}")
        _check(self, "sentences", self.sentences in SENTENCES, f"one of {', '.join(SENTENCES)}")
        formats = ("auto", *FORMATS)
        _check(self, "format", self.format in formats, f"one of {', '.join(formats)}")
        _check(self, "short_prob", 0 <= self.short_prob <= 1, "a share of 0 to 1")
        _check(self, "echoes", 0 <= self.echoes <= 1, "a share of 0 to 1")
        if self.echoes and self.objective == "none":
            raise ValueError(
                f"echoes must be 0 where rows have one segment (objective none): got {self.echoes}."
            )
        _check(self, "held_out", 0 <= self.held_out < 1, "a share of 0 or more and below 1")
        _check(self, "seed", 0 <= self.seed < 2**64, "a whole number from 0 to 2^64 - 1")
        for name in ("copies", "shards"):
            _check(self, name, getattr(self, name) >= 1, "1 or more")

        self.masking_law()

    def masking_law(self) -> MaskingLaw:
        """How much static masking masks.

        Raises:
            ValueError: a setting of it is out of its range.
        """
        return MaskingLaw(
            mask_fraction=self.mask_fraction,
            max_predictions=self.max_predictions,
            max_ngram=self.max_ngram,
            whole_words=self.whole_words,
        )

    def num_shards(self, split: str) -> int:
        """How many files a split is written to: the held-out ones are as large as the others."""
        if split == TRAIN:
            return self.shards
        return max(1, round(self.shards * self.held_out)) if self.held_out else 0

    def as_dict(self) -> dict:
        """The settings as JSON values."""
        return dataclasses.asdict(self)


def _check(settings, name, holds, must):
    if not holds:
        raise ValueError(f"{name} must be {must}: got {getattr(settings, name)!r}.")
