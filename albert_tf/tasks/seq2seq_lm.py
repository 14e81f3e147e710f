"""A text in, a text out: translation, summarization and other generation."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from albert_tf.models.seq2seq import AlbertDecoder
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.given_rows import is_dataset
from albert_tf.tasks.raw_batches import raw_batches, refuse_options
from albert_tf.tasks.seq2seq_lm_losses import SmoothedCrossentropy
from albert_tf.tasks.seq2seq_lm_preprocessor import AlbertSeq2SeqLMPreprocessor
from albert_tf.tasks.weighted import WeightedAnswers
from albert_tf.tasks.writing import Writer, check_sampler
from albert_tf.text.nested import as_text


@keras.saving.register_keras_serializable("albert_tf")
class AlbertSeq2SeqLM(WeightedAnswers, AlbertTask, keras_hub.models.Seq2SeqLM):
    """ALBERT's encoder, and a causal decoder that reads it and shares weights as it does.

    Encoder and decoder have one vocabulary and one table, which also scores the next token. With
    the default arguments the decoder adds two attentions, one feed-forward block and the head,
    however many depths it has.

    Args:
        backbone: `AlbertBackbone`, with or without a pooler, which is not read.
        preprocessor: `AlbertSeq2SeqLMPreprocessor`, or None to take arrays.
        num_decoder_layers: depths of the decoder; None for as many as the encoder has.
        decoder_sharing: `all` for one set of weights at every depth of the decoder, `none` for
            one each.
        share_encoder: whether self-attention and feed-forward blocks of the decoder are the
            encoder's own, so that the attention over the source is all that it adds.
        label_smoothing: of the usual loss, in [0, 1).

    Call arguments: a dictionary of the backbone's inputs and
        decoder_token_ids: int `(batch, target_len)`, [CLS] and the target without its end.

    Returns: float32 `(batch, target_len, vocab_size)`: scores of the token behind each.

    With a preprocessor, `fit` and `evaluate` take sources and targets, two lists of texts (`x`
    and `y`), and teach by the true beginning of each target (teacher forcing). `generate` writes
    the answers to sources by the sampler of `compile(sampler=...)`: `greedy` (the default),
    `beam`, `random`, `top_k`, `top_p`, an object of `keras_hub.samplers`, or a
    `LengthBeamSampler`; `predict` of texts does the same. Arrays are taken too: `y` int
    `(batch, target_len)` and `sample_weight` alike.
    """

    preprocessor_cls = AlbertSeq2SeqLMPreprocessor
    reads_pooler = False
    sampler = None

    def __init__(
        self,
        backbone,
        preprocessor=None,
        num_decoder_layers=None,
        decoder_sharing="all",
        share_encoder=False,
        label_smoothing=0.0,
        **kwargs,
    ):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.check_preprocessor(preprocessor)
        self.decoder = AlbertDecoder(
            backbone, num_decoder_layers, decoder_sharing, share_encoder, name="decoder"
        )
        self.share_encoder = share_encoder
        self.label_smoothing = label_smoothing
        written = keras.Input((None,), dtype="int32", name="decoder_token_ids")
        source = backbone(backbone.input)["sequence_output"]
        outputs = self.decoder(written, source, backbone.input["padding_mask"])
        super().__init__(
            inputs={**backbone.input, "decoder_token_ids": written}, outputs=outputs, **kwargs
        )

    def check_preprocessor(self, preprocessor):
        """As in `AlbertTask`, for the targets too."""
        super().check_preprocessor(preprocessor)
        positions = self.backbone.albert_config.max_position_embeddings
        if preprocessor is not None and preprocessor.decoder_sequence_length > positions:
            raise ValueError(
                f"decoder_sequence_length must be at most the {positions} positions of the "
                f"model: got {preprocessor.decoder_sequence_length}."
            )

    def _needs_answers(self, x):
        return not (isinstance(x, dict) and "decoder_text" in x)

    def default_loss(self):
        return SmoothedCrossentropy(self.label_smoothing)

    def default_weighted_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="token_accuracy")]

    def compile(self, optimizer="auto", loss="auto", *, sampler=None, **kwargs):
        """Compiles for training and for generation.

        Args:
            optimizer, loss, **kwargs: as in `WeightedAnswers`.
            sampler: name or object of `keras_hub.samplers`; None leaves it as it is, at first
                `greedy`.

        Raises:
            ValueError: a sampler that this model cannot use.
        """
        super().compile(optimizer, loss, **kwargs)
        if sampler is not None or self.sampler is None:
            self.set_sampler(sampler or "greedy")

    def set_sampler(self, sampler):
        """Chooses how `generate` picks tokens, and leaves the compilation for training as it is.

        Args:
            sampler: as in `compile`.

        Raises:
            ValueError: a sampler that this model cannot use.
        """
        self.sampler = check_sampler(keras_hub.samplers.get(sampler))
        self.generate_function = None

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and config | {"sampler": keras_hub.samplers.serialize(self.sampler)}

    def make_generate_function(self):
        """The function that writes a batch, traced for sizes of any kind at once."""
        if self.run_eagerly:
            return self.generate_step
        if self.generate_function is None:
            self.generate_function = _for_any_size(self.generate_step)
        return self.generate_function

    def generate_step(self, inputs, stop_token_ids=None):
        """Writes the answers of one batch: see `Writer`."""
        return Writer(self, stop_token_ids).write(inputs)

    def generate(self, inputs, max_length=None, stop_token_ids="auto", batch_size=None):
        """Writes answers.

        Args:
            inputs: a text, a list of texts or a string tensor; or a dictionary of `encoder_text`
                and `decoder_text`, what each answer begins with; or a dataset of batches of such.
                Without a preprocessor what `AlbertSeq2SeqLMPreprocessor.generate_preprocess`
                gives.
            max_length: longest answer in tokens, [CLS] and [SEP] included; None for that of the
                preprocessor.
            stop_token_ids: ids that end an answer; `"auto"` for [SEP], None for no end before
                `max_length`.
            batch_size: texts that are read at a time, those of similar length together.

        Returns:
            A list of texts, in the order of the inputs; a text for a single one. Without a
            preprocessor a dictionary of `decoder_token_ids` and `decoder_padding_mask`.

        Raises:
            ValueError: the answers are longer than the model has positions, or there is no
                preprocessor that says what ends an answer.
        """
        if self.preprocessor is None:
            return super().generate(inputs, max_length, stop_token_ids)
        if stop_token_ids == "auto":
            stop_token_ids = (self.preprocessor.tokenizer.end_token_id,)
        positions = self.backbone.albert_config.max_position_embeddings
        if max_length is not None and not 2 <= max_length <= positions:
            raise ValueError(
                f"max_length must lie between 2 and the {positions} positions of the model: got "
                f"{max_length}."
            )
        write, is_single = self.make_generate_function(), isinstance(inputs, (str, bytes))
        if is_single:
            inputs = [inputs]
        if not is_dataset(inputs):
            inputs = _as_texts(inputs)
        found = {}
        for indices, batch in raw_batches(inputs, batch_size):
            arrays = self.preprocessor.generate_preprocess(batch, max_length)
            written = write(arrays, stop_token_ids=stop_token_ids)
            texts = self.preprocessor.generate_postprocess(written).numpy()
            answers = [text.decode("utf-8", "replace") for text in texts]
            found |= dict(zip(indices.tolist(), answers, strict=True))
        answers = [found[index] for index in range(len(found))]
        return answers[0] if is_single else answers

    def predict(self, x=None, batch_size=None, verbose="auto", **kwargs):
        """Answers to texts, as `generate` writes them; of arrays the scores of a call."""
        if self.preprocessor is None:
            return super().predict(x, batch_size, verbose=verbose, **kwargs)
        refuse_options(kwargs)
        return np.array(self.generate(x, batch_size=batch_size), object)

    def get_config(self):
        return super().get_config() | {
            "num_decoder_layers": self.decoder.stack.num_layers,
            "decoder_sharing": self.decoder.stack.sharing,
            "share_encoder": self.share_encoder,
            "label_smoothing": self.label_smoothing,
        }


def _for_any_size(step):
    """A step of generation as a graph that is traced once for each set of ids that end an answer.

    All sizes are left open. Were some known, as that of a batch, beam search would forget them in
    its loop, and TensorFlow wants them there as they were before.
    """
    traced = {}

    def write(inputs, stop_token_ids=None):
        ends = None if stop_token_ids is None else tuple(stop_token_ids)
        if ends not in traced:
            ids = tf.TensorSpec((None, None), tf.int32)
            traced[ends] = tf.function(
                lambda inputs: step(inputs, ends), input_signature=[dict.fromkeys(inputs, ids)]
            )
        return traced[ends]({name: tf.cast(value, tf.int32) for name, value in inputs.items()})

    return write


def _as_texts(inputs):
    if isinstance(inputs, dict):
        return {name: as_text(texts) for name, texts in inputs.items()}
    return as_text(inputs)
