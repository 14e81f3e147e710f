"""Texts that a sequence-to-sequence model writes, token by token, inside the graph."""

import keras_hub
import numpy as np
import tensorflow as tf

from albert_tf.exporting.answers.base import Answers, TextSignature, as_bytes, in_parts
from albert_tf.tasks.writing import LengthBeamSampler, Writer

# Rows of which the Keras model is asked for scores at a time: a score for each piece is wide.
SCORED_ROWS = 8
REPEATABLE = (keras_hub.samplers.GreedySampler, keras_hub.samplers.BeamSampler)


class WrittenAnswers(Answers):
    """`answer`, the text that `AlbertSeq2SeqLM.generate` writes, its ids and its score.

    `answer_ids`, int32 `(batch, max_length - 1)`, is the answer behind [CLS], its end [SEP]
    included if it has one; `num_tokens` says how many of each row count, and padding follows.
    `score` is the log-probability of these tokens, each after the ones before it. Source ids give
    the same but for `answer`.

    The source is read once. Keys and values of what is written stand in a cache of the loop, which
    ends when all rows have ended.

    Raises:
        ValueError: there is no preprocessor, which tells how an answer begins and ends; the model
            picks tokens by chance; or `max_length` does not fit the model.
    """

    answers_move = True
    ids_move = True

    def __init__(self, model, options=None):
        super().__init__(model, options)
        if self.preprocessor is None:
            raise ValueError(
                "To export a model that writes, its preprocessor must tell with which tokens an "
                "answer begins and ends: this AlbertSeq2SeqLM has none. Pass preprocessor= to it."
            )
        longest = model.backbone.albert_config.max_position_embeddings
        self.max_length = self.options.max_length or self.preprocessor.decoder_sequence_length
        if not 2 <= self.max_length <= longest:
            raise ValueError(
                f"max_length must lie between 2 and the {longest} positions of the model: got "
                f"{self.max_length}."
            )
        self.sampler = self._choose_sampler()

    def _choose_sampler(self):
        beams = self.options.num_beams
        if beams is None:
            sampler = self.model.sampler or keras_hub.samplers.GreedySampler()
            if not isinstance(sampler, REPEATABLE):
                raise ValueError(
                    "An export must answer alike each time: this model picks tokens by "
                    f"{type(sampler).__name__}. Choose num_beams; 1 is greedy."
                )
            return sampler
        if beams == 1:
            return keras_hub.samplers.GreedySampler()
        return LengthBeamSampler(beams, self.options.length_penalty)

    def id_inputs(self, network):
        # What is written comes out, and not in.
        return {k: v for k, v in network.input.items() if k != "decoder_token_ids"}

    def text_signatures(self):
        if not self.reads_text:
            return []
        return [TextSignature("serving_default", ("text",), self._answer, self._expected)]

    @property
    def _ends(self):
        return (self.tokenizer.end_token_id,)

    def run(self, network, ids):
        # Sizes that are known outside are forgotten in the loop of beams, and must be the same.
        spec = dict.fromkeys(ids, tf.TensorSpec((None, None), tf.int32))
        write = tf.function(
            lambda ids: self._written(network, ids), input_signature=[spec], autograph=False
        )
        written = write(ids)
        width = self.max_length - 1
        return written | {"answer_ids": tf.ensure_shape(written["answer_ids"], (None, width))}

    def _written(self, network, ids):
        num_rows = tf.shape(ids["token_ids"])[0]
        first = tf.fill([num_rows, 1], tf.cast(self.tokenizer.start_token_id, tf.int32))
        widths = [[0, 0], [0, self.max_length - 1]]
        prompt = {
            "decoder_token_ids": tf.pad(first, widths, constant_values=self.tokenizer.pad_token_id),
            "decoder_padding_mask": tf.pad(tf.ones_like(first), widths),
        }
        writer = Writer(network, self._ends, self.sampler)
        written = writer.write(ids | prompt)
        tokens = tf.cast(written["decoder_token_ids"], tf.int32)
        is_text = tf.cast(written["decoder_padding_mask"], tf.bool)[:, 1:]
        num_tokens = tf.reduce_sum(tf.cast(is_text, tf.int32), axis=1)
        answer_ids = tf.where(is_text, tokens[:, 1:], self.tokenizer.pad_token_id)
        # Nothing is computed behind the longest answer.
        width = tf.reduce_max(tf.concat([num_tokens, [1]], axis=0))
        hidden = writer.read(tokens[:, :width])

        def score(row):
            hidden, ids, counts = row
            chances = tf.nn.log_softmax(network.decoder.head(hidden[None])[0])
            chosen = tf.gather(chances, ids, batch_dims=1)
            return tf.reduce_sum(tf.where(counts, chosen, 0.0))

        rows = (hidden, answer_ids[:, :width], is_text[:, :width])
        scores = tf.map_fn(score, rows, parallel_iterations=1, fn_output_signature=tf.float32)
        return {"answer_ids": answer_ids, "num_tokens": num_tokens, "score": scores}

    def _answer(self, run, texts):
        written = self.numbers(in_parts(run, self.encode(texts)))
        ids = written["answer_ids"]
        is_text = tf.sequence_mask(written["num_tokens"], self.max_length - 1)
        given = {"decoder_token_ids": ids, "decoder_padding_mask": is_text}
        return written | {"answer": self.preprocessor.generate_postprocess(given)}

    def _expected(self, rows):
        """Text and ids by the model's own generation, scores by a call with the whole answer."""
        texts, model, sampler = list(rows["text"]), self.model, self.model.sampler
        if sampler is not self.sampler:
            model.set_sampler(self.sampler)
        try:
            answers = model.generate(texts, max_length=self.max_length)
            arrays = self.preprocessor.generate_preprocess(texts, self.max_length)
            written = model.make_generate_function()(arrays, stop_token_ids=self._ends)
        finally:
            if sampler is not self.sampler:
                model.sampler, model.generate_function = sampler, None
        tokens = np.array(written["decoder_token_ids"], np.int32)
        is_text = np.array(written["decoder_padding_mask"], bool)[:, 1:]
        sources = {name: np.array(arrays[name]) for name in self.id_inputs(model)}
        scores = []
        for first in range(0, len(texts), SCORED_ROWS):
            part = slice(first, first + SCORED_ROWS)
            inputs = {name: values[part] for name, values in sources.items()}
            inputs["decoder_token_ids"] = tokens[part, :-1]
            chances = tf.nn.log_softmax(tf.cast(model(inputs, training=False), tf.float32))
            chosen = tf.gather(chances, tokens[part, 1:], batch_dims=2).numpy()
            scores.append((chosen * is_text[part]).sum(axis=1))
        return {
            "answer": as_bytes(answers),
            "answer_ids": np.where(is_text, tokens[:, 1:], self.tokenizer.pad_token_id),
            "num_tokens": is_text.sum(axis=1, dtype=np.int32),
            "score": np.concatenate(scores).astype(np.float32),
        }
