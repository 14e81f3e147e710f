"""Vectors of texts, and how alike two texts are."""

import tensorflow as tf

from albert_tf.exporting.answers.base import Answers, TextSignature


class EmbeddingAnswers(Answers):
    """`embedding`, float32 `(batch, hidden_size)`, as `AlbertTextEmbedder.predict` gives it.

    The signature `similarity` takes `text` and `text_pair` and gives `similarity`, `(batch,)`:
    the cosine of their vectors.
    """

    def text_signatures(self):
        if not self.reads_text:
            return []
        pair = ("text", "text_pair")
        return [
            TextSignature("serving_default", ("text",), self._answer, self._expected),
            TextSignature("similarity", pair, self._similarity, self._expected_similarity),
        ]

    def encode(self, texts):
        return super().encode({"text": texts["text"]})

    def _answer(self, run, texts):
        return self.named(run(self.encode(texts)))

    def _similarity(self, run, texts):
        num_rows = tf.shape(texts["text"])[0]
        both = tf.concat([texts["text"], texts["text_pair"]], axis=0)
        vectors = tf.math.l2_normalize(run(self.encode({"text": both})), axis=1)
        return {"similarity": tf.reduce_sum(vectors[:num_rows] * vectors[num_rows:], axis=1)}

    def numbers(self, outputs):
        return {"embedding": tf.cast(outputs, tf.float32)}

    def sample_rows(self):
        rows = super().sample_rows()
        return rows | {"text_pair": rows["text"][::-1]}

    def _expected(self, rows):
        return {"embedding": self.model.predict(rows["text"])}

    def _expected_similarity(self, rows):
        return {"similarity": self.model.similarity(rows["text"], rows["text_pair"])}
