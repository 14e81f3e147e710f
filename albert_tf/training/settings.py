"""What can be set about a fine-tuning run."""

from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag

PROBLEMS = ("classification", "regression", "multi_label")
PRECISIONS = ("float32", "bfloat16", "auto")


@dataclass(frozen=True, kw_only=True)
class FineTuneSettings:
    """One fine-tuning run: its data, its start, its recipe (paper Table 14).

    Raises:
        ValueError: two settings exclude each other, one that is needed is missing, or a number is
            outside of its range.
    """

    out: Path = flag("new directory for the run; an existing one is never overwritten")

    task: str | None = flag("GLUE task such as sst-2, instead of --train", default=None)
    glue: Path | None = flag(
        "folder of the unpacked GLUE files; without it the task is downloaded", default=None
    )
    train: Path | None = flag("training file: .tsv, .csv or .jsonl, also .gz", default=None)
    dev: Path | None = flag(
        "file to evaluate on; without it --dev-fraction of the training rows", default=None
    )
    dev_fraction: float = flag("share of the training rows held out without --dev", default=0.1)
    text: str = flag("column of the texts, by name or index from 0", default="text")
    text_pair: str | None = flag("column of the second texts, for pairs", default=None)
    label: str = flag("column of the labels", default="label")
    problem: str = flag("what the labels are", choices=PROBLEMS, default="classification")
    separator: str = flag("between the labels of a multi_label row", default=",")
    header: bool = flag("the first row of a .tsv or .csv file names the columns", default=True)
    limit: int | None = flag("use only so many training rows, drawn at random", default=None)

    from_: str | None = flag("preset or checkpoint directory to start from", default=None)
    config: str | dict | None = flag(
        "start from random weights: configuration file or preset name", default=None
    )
    vocab: Path | None = flag("SentencePiece .model, where the start has none", default=None)
    train_vocab: int | None = flag(
        "train a vocabulary of so many pieces on the training texts", default=None
    )
    lowercase: bool = flag("lower-case the texts (with --vocab or --train-vocab)", default=True)
    keep_accents: bool = flag("keep accents (with --vocab or --train-vocab)", default=False)

    sequence_length: int = flag("longest input in tokens; longer texts are cut", default=128)
    batch_size: int = flag("examples an update", default=32)
    epochs: int = flag("passes over the training rows", default=3)
    learning_rate: float = flag("highest learning rate", default=2e-5)
    warmup_fraction: float = flag("share of the updates that warm up", default=0.1)
    weight_decay: float = flag("weight decay of AdamW", default=0.01)
    dropout: float = flag("dropout before the classifier", default=0.1)
    metrics: tuple[str, ...] = flag(
        "scores on the dev rows; the first one picks the best epoch", default=()
    )
    eval_steps: int | None = flag(
        "score the dev rows also after every so many updates (the original: 100)", default=None
    )
    patience: int | None = flag("stop after so many epochs without a better score", default=None)
    precision: str = flag(
        "of the arithmetic; auto: bfloat16 where the processor multiplies it natively",
        choices=PRECISIONS,
        default="float32",
    )
    seed: int = flag("of all chance: weights, order, dropout, held-out rows", default=0)

    def __post_init__(self):
        if (self.task is None) == (self.train is None):
            raise ValueError("Name the data with either --train or --task, not both or neither.")
        if self.task is not None and self.dev is not None:
            raise ValueError(f"--task {self.task} brings its own dev rows: leave --dev out.")
        if (self.from_ is None) == (self.config is None):
            raise ValueError(
                "Name the start with either --from (weights) or --config (random weights), "
                "not both or neither."
            )
        if self.config is not None and (self.vocab is None) == (self.train_vocab is None):
            raise ValueError(
                "Random weights need a vocabulary: name one with --vocab, or train one with "
                "--train-vocab 8000."
            )
        self._check_numbers()

    def _check_numbers(self):
        for name in ("batch_size", "epochs", "limit", "eval_steps", "patience", "train_vocab"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1: got {value}.")
        for name in ("warmup_fraction", "dropout", "weight_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1): got {getattr(self, name)}.")
        if not 0 < self.dev_fraction < 1:
            raise ValueError(f"dev_fraction must be in (0, 1): got {self.dev_fraction}.")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0: got {self.learning_rate}.")
        if self.sequence_length < 4:
            raise ValueError(
                f"sequence_length must be at least 4, for [CLS], [SEP] and text: got "
                f"{self.sequence_length}."
            )
