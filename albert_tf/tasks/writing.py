"""Writing a text token by token, with keras_hub's samplers on our decoder."""

import keras
import keras_hub
from keras import ops

# Of a token that cannot follow: its probability is 0 in float32, and its logarithm no NaN.
IMPOSSIBLE = -1e9
SAMPLERS = ("Greedy", "Beam", "Random", "TopK", "TopP")


def check_sampler(sampler):
    """Gives the sampler back.

    Raises:
        ValueError: no sampler, one that needs more than scores of the next token, or one that gives
            several answers.
    """
    if not isinstance(sampler, keras_hub.samplers.Sampler):
        raise ValueError(
            "The sampler must be greedy, beam, random, top_k, top_p, or an object of "
            f"keras_hub.samplers: got {sampler!r}."
        )
    unfit = (keras_hub.samplers.ContrastiveSampler, keras_hub.samplers.SpeculativeSampler)
    if isinstance(sampler, unfit):
        raise ValueError(
            f"The sampler must be one of {', '.join(SAMPLERS)}: got {type(sampler).__name__}, "
            "which needs more than the scores of the next token."
        )
    if getattr(sampler, "return_all_beams", False):
        raise ValueError("generate gives one answer a text: got return_all_beams=True.")
    return sampler


@keras.saving.register_keras_serializable("albert_tf")
class LengthBeamSampler(keras_hub.samplers.BeamSampler):
    """Beam search that does not favour short answers (Wu et al. 2016, §7).

    keras_hub's beam search gives the answer with the largest log-probability, and every token
    makes that smaller. Here the beams of the end are compared by their log-probability over
    `length ** length_penalty`.

    Args:
        num_beams: answers that are kept at a time.
        length_penalty: 0 for keras_hub's choice, 1 for the mean over tokens.
        temperature: as in keras_hub.
    """

    def __init__(self, num_beams=5, length_penalty=1.0, temperature=1.0):
        super().__init__(num_beams=num_beams, temperature=temperature)
        self.length_penalty = length_penalty

    def __call__(self, next, prompt, mask=None, stop_token_ids=None, **kwargs):
        self.return_all_beams = True
        beams, log_probs = super().__call__(
            next, prompt, mask=mask, stop_token_ids=stop_token_ids, **kwargs
        )
        self.return_all_beams = False
        given = ops.zeros_like(prompt) if mask is None else ops.cast(mask, "int32")
        is_new = 1 - ops.expand_dims(given, 1)
        ends = ops.zeros_like(beams)
        for token in stop_token_ids or ():
            ends = ends + ops.cast(ops.equal(beams, token), "int32") * is_new
        # An end counts as a token of the answer, and what follows it does not.
        is_text = ops.equal(ops.cumsum(ends, axis=-1) - ends, 0)
        lengths = ops.sum(ops.cast(is_text, "float32") * ops.cast(is_new, "float32"), axis=-1)
        scores = log_probs / ops.power(ops.maximum(lengths, 1.0), self.length_penalty)
        best = ops.argmax(scores, axis=-1)[:, None, None]
        return ops.squeeze(ops.take_along_axis(beams, best, axis=1), axis=1)

    def get_config(self):
        names = ("num_beams", "length_penalty", "temperature")
        return {name: getattr(self, name) for name in names}


class Writer:
    """Writes the answers of one batch.

    A row whose answer has ended goes on with padding at probability 1, and a token that is given
    has probability 1: so the answer to a text does not depend on the batch it is in, by beams
    neither.

    Args:
        model: `AlbertSeq2SeqLM`.
        stop_token_ids: ids that end an answer; None for no end before the last place.
        sampler: what picks tokens; None for the model's own.
    """

    def __init__(self, model, stop_token_ids, sampler=None):
        self.model = model
        self.sampler = sampler or model.sampler
        self.stop_token_ids = stop_token_ids
        self.vocab_size = model.backbone.albert_config.vocab_size
        self.pad_id = 0
        if model.preprocessor is not None:
            self.pad_id = model.preprocessor.tokenizer.pad_token_id

    def write(self, inputs):
        """Reads the sources, and writes up to the width of `decoder_token_ids`.

        Args:
            inputs: a dictionary of the backbone's inputs, `decoder_token_ids` and
                `decoder_padding_mask`, int `(batch, max_length)`: at least one token is given.

        Returns:
            A dictionary of `decoder_token_ids`, int `(batch, max_length)`, and
            `decoder_padding_mask`, bool: False behind the end.
        """
        backbone, stack = self.model.backbone, self.model.decoder.stack
        source = backbone({name: inputs[name] for name in backbone.input})["sequence_output"]
        self.kernels = stack.kernels()
        self.memory = stack.remember(source, inputs["padding_mask"], self.kernels)
        prompt = inputs["decoder_token_ids"]
        given = ops.cast(inputs["decoder_padding_mask"], "bool")
        cache = stack.empty_cache(ops.shape(prompt)[0], ops.shape(prompt)[1])
        written = self.sampler(
            next=self._next,
            prompt=prompt,
            cache=(cache, self.memory, given),
            index=1,
            mask=given,
            stop_token_ids=self.stop_token_ids,
            model=self.model,
        )
        return {"decoder_token_ids": written, "decoder_padding_mask": self._is_text(written, given)}

    def read(self, token_ids):
        """What the decoder makes of texts, after `write` has read their sources.

        Args:
            token_ids: int `(batch, seq_len)`, [CLS] and what follows.

        Returns:
            float `(batch, seq_len, hidden_size)`, from which the head scores the token behind
            each.
        """
        decoder = self.model.decoder
        return decoder.stack.read(decoder.embed(token_ids, 0), self.kernels, self.memory)

    def _next(self, prompt, state, index):
        """Scores of the tokens at `index`, as keras_hub's samplers ask for them."""
        cache, memory, given = state
        batch = ops.shape(prompt)[0]
        last = ops.slice(prompt, (0, index - 1), (batch, 1))
        decoder = self.model.decoder
        logits, cache = decoder.continue_with(last, self.kernels, memory, cache, index - 1)
        logits = logits[:, 0]
        is_before = ops.expand_dims(ops.arange(ops.shape(prompt)[1]) < index, 0)
        ended = ops.any(self._ends(prompt, given) & is_before, axis=-1)
        logits = self._certain(logits, ended, ops.full_like(prompt[:, 0], self.pad_id))
        token = ops.slice(prompt, (0, index), (batch, 1))[:, 0]
        is_given = ops.slice(given, (0, index), (batch, 1))[:, 0]
        return self._certain(logits, is_given, token), None, (cache, memory, given)

    def _certain(self, logits, rows, tokens):
        """The scores, where `rows` says so those of nothing but the token."""
        only = ops.equal(ops.arange(self.vocab_size)[None], ops.cast(tokens, "int32")[:, None])
        certain = ops.where(only, 0.0, IMPOSSIBLE)
        return ops.where(ops.expand_dims(rows, 1), certain, logits)

    def _ends(self, tokens, given):
        """Where an end was written, bool `(batch, max_length)`."""
        found = ops.zeros_like(given)
        for token in self.stop_token_ids or ():
            found = found | ops.equal(tokens, token)
        return found & ops.logical_not(given)

    def _is_text(self, tokens, given):
        ends = ops.cast(self._ends(tokens, given), "int32")
        return ops.equal(ops.cumsum(ends, axis=-1) - ends, 0)
