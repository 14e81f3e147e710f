"""How much of everything the quickstart does."""

from dataclasses import dataclass

from albert_tf.config import AlbertConfig
from albert_tf.data import docstrings


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much of everything; the defaults take four to five minutes on two cores.

    The labelled examples are few and the passes over them fewer, while all text counts for
    pretraining: that is where pretraining pays, and what it is for.

    `precision="auto"` is float32 here: a model this small, compiled by XLA, is faster in it than
    in bfloat16 even where the processor has that. Pretraining reads short rows, on which a fresh
    attention learns soonest (docs/log.md).
    """

    packages: tuple[str, ...] = tuple(docstrings.PACKAGES)
    num_classes: int = 10
    vocab_size: int = 8000
    embedding_size: int = 128
    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    sequence_length: int = 64
    pretrain_length: int = 32
    pretrain_steps: int = 1000
    pretrain_batch_size: int = 64
    pretrain_learning_rate: float = 0.002
    min_words: int = 15
    train_per_class: int = 500
    dev_per_class: int = 40
    test_per_class: int = 150
    finetune_epochs: int = 2
    finetune_learning_rate: float = 1e-3
    shipped: str = "books_small"
    shipped_learning_rate: float = 3e-4
    precision: str = "auto"
    num_asked: int = 6

    @property
    def resolved_precision(self) -> str:
        """`float32` or `bfloat16`."""
        return "float32" if self.precision == "auto" else self.precision

    def config(self) -> AlbertConfig:
        """The shape of the model: the paper's, smaller."""
        return AlbertConfig(
            vocab_size=self.vocab_size,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            intermediate_size=4 * self.hidden_size,
            max_position_embeddings=max(128, self.sequence_length),
        )
