"""What can be set about a fine-tuning run."""

import math
from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag

PROBLEMS = ("classification", "regression", "multi_label")
PRECISIONS = ("float32", "bfloat16", "auto")
STRATEGIES = ("one", "mirrored")


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How the files of a task are read. None stands for the default of the task, in brackets."""

    text: str | None = flag("column of the texts, by name or index from 0 (text)", default=None)
    text_pair: str | None = flag("column of the second texts, for pairs (none)", default=None)
    label: str | None = flag("column of the labels (label)", default=None)
    separator: str | None = flag("between the labels of a multi_label row (,)", default=None)
    header: bool | None = flag(
        "the first row of a .tsv or .csv file names the columns (yes)", default=None
    )
    question: str | None = flag("column of questions in a table (question)", default=None)
    context: str | None = flag("column of their contexts in a table (context)", default=None)
    levels: tuple[str, ...] | None = flag("of RACE, high, middle or both (both)", default=None)
    word_column: int | None = flag("of CoNLL files, from 0 (0)", default=None)
    tag_column: int | None = flag("of CoNLL files; -1 is the last one (-1)", default=None)
    max_score: float | None = flag("the score of pairs that mean the same (5)", default=None)
    source: str | None = flag("column, or ending of files, of texts to rewrite", default=None)
    target: str | None = flag("column, or ending of files, of what they become", default=None)
    num_beams: int | None = flag("of texts that are written; 1 is greedy (1)", default=None)
    length_penalty: float | None = flag("of beams (1)", default=None)
    ignore_case: bool | None = flag("score written texts without capitals (no)", default=None)
    exit_patience: int | None = flag(
        "with --early-exit: leave once so many depths more agree (all depths)", default=None
    )
    metrics: tuple[str, ...] | None = flag(
        "scores of a classifier, or of written texts; the first one picks the best weights",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class TaskOptions(ReadingOptions):
    """All that one task knows and another does not; to name one elsewhere is an error."""

    problem: str | None = flag(
        "what the labels of texts are (classification)", choices=PROBLEMS, default=None
    )
    class_weights: str | dict | None = flag(
        "balanced: rare classes count more in training (none)", default=None
    )
    head: str | None = flag(
        "of question answering, independent or conditional (by the data)", default=None
    )
    doc_stride: int | None = flag("tokens from one window to the next (128)", default=None)
    max_query_length: int | None = flag("longest question in tokens (64)", default=None)
    max_qa_length: int | None = flag("longest question with choice in tokens (128)", default=None)
    early_exit: bool | None = flag(
        "a classifier with a head at every depth, to leave early at (no)", default=None
    )
    objective: str | None = flag("of embeddings, contrastive or cosine (contrastive)", default=None)
    min_positive: float | None = flag(
        "least score of a pair that contrastive training brings together (4)", default=None
    )
    pooling: str | None = flag("of embeddings, mean, cls or max (mean)", default=None)
    temperature: float | None = flag("of contrastive training (0.05)", default=None)
    decoder_sequence_length: int | None = flag("longest text to write, in tokens", default=None)
    num_decoder_layers: int | None = flag("depths of the decoder (as the encoder)", default=None)
    decoder_sharing: str | None = flag("weights of its depths, all or none (all)", default=None)
    share_encoder: bool | None = flag("the decoder uses the encoder's blocks (no)", default=None)
    label_smoothing: float | None = flag("of texts to write (0.1)", default=None)
    dropout: float | None = flag("dropout before the head (mostly 0.1)", default=None)


@dataclass(frozen=True, kw_only=True)
class FineTuneSettings(TaskOptions):
    """One fine-tuning run: its task, its data, its start, its recipe (paper Table 14).

    Raises:
        ValueError: two settings exclude each other, one that is needed is missing, or a number is
            outside of its range.
    """

    out: Path = flag("new directory for the run; an existing one is never overwritten")

    task: str = flag(
        "a kind of task, such as text-classification, or a data set, such as rte or squad; "
        "a name that there is none of lists them all",
        default="text-classification",
    )
    data: Path | None = flag(
        "folder of the data set's files; without it and --train, GLUE is downloaded", default=None
    )
    train: Path | None = flag(
        "training file, or tfds:NAME:SPLIT of tensorflow-datasets", default=None
    )
    dev: Path | None = flag(
        "file to evaluate on; without it --dev-fraction of the training rows", default=None
    )
    dev_fraction: float = flag("share of the training rows held out without --dev", default=0.1)
    limit: int | None = flag("use only so many training rows, drawn at random", default=None)

    from_: str | None = flag(
        "preset, checkpoint or run to start from; a run of another task gets a new head",
        default=None,
    )
    config: str | dict | None = flag(
        "start from random weights: configuration file or preset name", default=None
    )
    vocab: Path | None = flag(
        "SentencePiece .model or WordPiece vocab.txt, where the start has none", default=None
    )
    train_vocab: int | None = flag(
        "train a vocabulary of so many pieces on the training texts", default=None
    )
    lowercase: bool = flag("lower-case the texts (with --vocab or --train-vocab)", default=True)
    keep_accents: bool = flag("keep accents (with --vocab or --train-vocab)", default=False)

    sequence_length: int | None = flag(
        "longest input in tokens (128; questions 384, choices 512)", default=None
    )
    batch_size: int = flag("examples an update", default=32)
    accumulate: int = flag("parts that a batch is worked off in, to save memory", default=1)
    epochs: int = flag("passes over the training rows", default=3)
    steps: int | None = flag("updates in all, in place of --epochs", default=None)
    learning_rate: float | None = flag(
        "highest learning rate (default: 2e-5; for models narrower than base 0.12 / hidden_size,"
        " to one digit)",
        default=None,
    )
    warmup_fraction: float = flag("share of the updates that warm up", default=0.1)
    warmup_steps: int | None = flag("updates that warm up, in place of the share", default=None)
    weight_decay: float = flag("weight decay of AdamW", default=0.01)
    layer_decay: float = flag(
        "learning rate of a group of layers, as a share of that of the group above", default=1.0
    )
    ema: float | None = flag(
        "score and keep moving averages of the weights, with this momentum", default=None
    )
    freeze: tuple[str, ...] = flag(
        "patterns of paths of weights that stay, such as embeddings/", default=()
    )
    lora_rank: int | None = flag(
        "train additions of this rank to query and value, and the head; merged at the end",
        default=None,
    )
    hidden_dropout: float | None = flag(
        "dropout inside of the encoder (default: as the start has it)", default=None
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
    strategy: str = flag("one device, or mirrored on all of this machine", default="one")
    seed: int = flag("of all chance: weights, order, dropout, held-out rows", default=0)
    seeds: int = flag("runs, each with a seed of its own; their median is told", default=1)

    def __post_init__(self):
        if self.train is not None and self.data is not None:
            raise ValueError("Name the data with either --train or --data, not both.")
        if self.dev is not None and self.train is None:
            raise ValueError("--dev goes with --train: a data set brings its own dev rows.")
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
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"strategy must be one or mirrored: got {self.strategy}. Fine-tuning runs on the "
                "devices of one machine; several machines, and TPUs, are for `albert-tf pretrain`, "
                "whose model --from takes. Different seeds may run on a machine each."
            )
        if self.accumulate > 1 and self.strategy != "one":
            raise ValueError(
                "Gradients are accumulated on one device only: with --strategy mirrored leave "
                "--accumulate out."
            )

    def _check_numbers(self):
        counts = "batch_size accumulate epochs steps limit eval_steps patience train_vocab"
        for name in (*counts.split(), "lora_rank", "seeds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1: got {value}.")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate must divide batch_size: got {self.accumulate} and {self.batch_size}."
            )
        for name in ("warmup_fraction", "dropout", "hidden_dropout", "weight_decay", "ema"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1): got {value}.")
        if not 0 < self.dev_fraction < 1:
            raise ValueError(f"dev_fraction must be in (0, 1): got {self.dev_fraction}.")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay must be in (0, 1]: got {self.layer_decay}.")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"learning_rate must be above 0, and finite: got {self.learning_rate}."
            )
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0: got {self.warmup_steps}.")
        if self.sequence_length is not None and self.sequence_length < 4:
            raise ValueError(
                f"sequence_length must be at least 4, for [CLS], [SEP] and text: got "
                f"{self.sequence_length}."
            )
