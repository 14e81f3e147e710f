"""ALBERT without a head."""

import keras
import keras_hub
from keras import ops

from albert_tf.config import AlbertConfig
from albert_tf.layers.embeddings import AlbertEmbeddings
from albert_tf.layers.encoder import SharedEncoder
from albert_tf.layers.heads import Pooler
from albert_tf.models.functional import NamedInputs
from albert_tf.models.presets import KeptAsPreset


@keras.saving.register_keras_serializable("albert_tf")
class AlbertBackbone(NamedInputs, KeptAsPreset, keras_hub.models.Backbone):
    """The encoder of ALBERT (paper §3.1; original: `AlbertModel` in modeling.py).

    Args:
        config: `AlbertConfig`.
        include_pooler: whether `pooled_output` exists; checkpoints of models that read only the
            sequence (masked words, labels, spans) may come without it.
        recompute: whether training keeps little of each encoder step and computes it again
            backwards: less memory, a third more time; see `SharedEncoder`.
        dtype: Keras dtype or policy, for example `mixed_bfloat16`.

    Call arguments: a dictionary of
        token_ids: int `(batch, seq_len)` in [0, vocab_size).
        segment_ids: int `(batch, seq_len)` in [0, type_vocab_size).
        padding_mask: int `(batch, seq_len)`; 1 for a token, 0 for padding.

    Returns: a dictionary of
        sequence_output: float `(batch, seq_len, hidden_size)`.
        pooled_output: float `(batch, hidden_size)`.

    Raises:
        TypeError: `config` is no `AlbertConfig`.
    """

    def __init__(
        self, config: AlbertConfig, include_pooler=True, recompute=False, dtype=None, **kwargs
    ):
        if not isinstance(config, AlbertConfig):
            raise TypeError(
                f"config must be an AlbertConfig: got {config!r:.80}. Build one by "
                "AlbertConfig.from_preset(name), from_json(path) or from_dict(values)."
            )
        embeddings = AlbertEmbeddings(config, dtype=dtype, name="embeddings")
        projection = None
        if config.has_projection and embeddings.width != config.hidden_size:
            projection = embeddings.dense(config.hidden_size, "embedding_projection")
        encoder = SharedEncoder(config, recompute=recompute, dtype=dtype, name="encoder")
        pooler = Pooler(config, dtype=dtype, name="pooler") if include_pooler else None

        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        embedded = embeddings(inputs["token_ids"], inputs["segment_ids"])
        hidden = embedded if projection is None else projection(embedded)
        outputs = {"sequence_output": encoder(hidden, inputs["padding_mask"])}
        if pooler is not None:
            outputs["pooled_output"] = pooler(outputs["sequence_output"])
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)

        self.albert_config = config
        self.include_pooler = include_pooler
        self.embeddings = embeddings
        self.embedding_projection = projection
        self.encoder = encoder
        self.pooler = pooler
        self.token_embedding = embeddings.word_embeddings

    @property
    def max_sequence_length(self):
        """Longest input, in tokens."""
        return self.albert_config.max_position_embeddings

    def all_outputs(self, inputs, training=False):
        """What every layer makes, for the inputs of a call.

        Args:
            inputs: the dictionary that a call takes; arrays or tensors.
            training: whether dropout acts.

        Returns:
            A dictionary: the outputs of a call, and beside them `embedding_output`
            `(batch, seq_len, embedding_size)`; `hidden_states`, a list of the encoder's input and
            the output of each layer used, `(batch, seq_len, hidden_size)`; `attentions`, a list
            of `(batch, num_attention_heads, seq_len, seq_len)`.
        """
        inputs = {name: ops.convert_to_tensor(inputs[name]) for name in self.input}
        embedded = self.embeddings(inputs["token_ids"], inputs["segment_ids"], training=training)
        hidden = embedded
        if self.embedding_projection is not None:
            hidden = self.embedding_projection(embedded)
        last, states, attentions = self.encoder(
            hidden, inputs["padding_mask"], training=training, return_all=True
        )
        outputs = {
            "sequence_output": last,
            "embedding_output": embedded,
            "hidden_states": states,
            "attentions": attentions,
        }
        if self.pooler is not None:
            outputs["pooled_output"] = self.pooler(last)
        return outputs

    def get_config(self):
        return super().get_config() | {
            "config": self.albert_config.to_dict(),
            "include_pooler": self.include_pooler,
            "recompute": self.encoder.recompute,
        }

    @classmethod
    def from_config(cls, saved):
        return super().from_config(saved | {"config": AlbertConfig.from_dict(saved["config"])})
