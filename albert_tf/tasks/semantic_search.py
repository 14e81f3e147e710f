"""Finding texts by meaning: the vectors of many texts, kept and searched."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from albert_tf.staging import new_directory
from albert_tf.tasks.text_embedder import AlbertTextEmbedder

FORMAT_VERSION = 1
VECTORS_FILE, TEXTS_FILE, INDEX_FILE = "vectors.npy", "texts.jsonl", "index.json"


@dataclass(frozen=True)
class Hit:
    """A text that was found.

    Args:
        row: its number in the index, from 0.
        score: cosine with the query, in [-1, 1].
        text: the text.
    """

    row: int
    score: float
    text: str


@dataclass(frozen=True)
class TextIndex:
    """Texts and their vectors.

    Args:
        texts: as they were given.
        vectors: float32 `(num_texts, hidden_size)`, each of length 1.
        fingerprint: of the model that made them; see `fingerprint_of`.
    """

    texts: list[str]
    vectors: np.ndarray
    fingerprint: str

    def __len__(self):
        return len(self.texts)

    @classmethod
    def build(cls, model: AlbertTextEmbedder, texts, batch_size=64) -> "TextIndex":
        """Embeds texts; those without a word are in the index too."""
        vectors = _directions(model.predict(list(texts), batch_size))
        return cls(list(texts), vectors, fingerprint_of(model))

    def search(self, model: AlbertTextEmbedder, queries, top_k=5) -> list[list[Hit]]:
        """The texts that are nearest to each query, the nearest first.

        Args:
            model: the embedder that made the index.
            queries: list of texts.
            top_k: how many to give, or all where there are fewer.

        Raises:
            ValueError: `top_k` is below 1, or the model is another one.
        """
        if top_k < 1:
            raise ValueError(f"top_k must be at least 1: got {top_k}.")
        self.check_model(model)
        found = []
        for scores in _directions(model.predict(list(queries))) @ self.vectors.T:
            best = np.argsort(-scores, kind="stable")[:top_k]
            found.append([Hit(int(i), float(scores[i]), self.texts[i]) for i in best])
        return found

    def check_model(self, model):
        """Raises `ValueError` where another model than this one made the index."""
        if self.fingerprint != (found := fingerprint_of(model)):
            raise ValueError(
                "An index can only be searched with the model that made it: got a model of the "
                f"fingerprint {found[:12]}, and an index made by {self.fingerprint[:12]}. Build "
                "the index anew from its texts."
            )

    def save(self, directory):
        """Writes the index as a new directory, whole or not at all.

        Raises:
            FileExistsError: the directory exists and is not empty.
        """
        facts = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "num_texts": len(self),
            "hidden_size": int(self.vectors.shape[1]),
        }
        with new_directory(directory) as staged:
            np.save(staged / VECTORS_FILE, self.vectors)
            with (staged / TEXTS_FILE).open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in self.texts)
            (staged / INDEX_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory) -> "TextIndex":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: there is no index.
            ValueError: it is damaged, or of another version of the format.
        """
        directory = Path(directory)
        if not (directory / INDEX_FILE).is_file():
            raise FileNotFoundError(
                f"There is no index in {directory}: it has no {INDEX_FILE}. Make one with "
                "`albert-tf search --file TEXTS --save-index DIRECTORY`."
            )
        try:
            facts = json.loads((directory / INDEX_FILE).read_text(encoding="utf-8"))
            if facts["format_version"] != FORMAT_VERSION:
                raise ValueError(f"it is of version {facts['format_version']}")
            lines = (directory / TEXTS_FILE).read_text(encoding="utf-8").split("\n")[:-1]
            texts = [json.loads(line) for line in lines]
            vectors = np.load(directory / VECTORS_FILE)
            expected = (facts["num_texts"], facts["hidden_size"])
            if vectors.shape != expected or len(texts) != len(vectors):
                raise ValueError(
                    f"it must hold {expected[0]} texts: got {len(texts)} and vectors of the shape "
                    f"{vectors.shape}"
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise ValueError(
                f"The index in {directory} cannot be used: {error!s}. Build it anew."
            ) from error
        return cls(texts, vectors, facts["fingerprint"])


def fingerprint_of(model: AlbertTextEmbedder) -> str:
    """A sha256 of all that decides about vectors: weights, vocabulary, pooling, longest row.

    The dtype that the model computes in is left out: it moves a cosine by about 0.01.
    """
    tokenizer = model.preprocessor.tokenizer
    settings = [model.pooling, model.preprocessor.sequence_length]
    settings += [tokenizer.lowercase, tokenizer.keep_accents]
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(tokenizer.proto)
    pooler = model.backbone.pooler
    unread = {id(variable) for variable in (pooler.variables if pooler is not None else ())}
    for variable in model.backbone.weights:
        if id(variable) not in unread:
            digest.update(np.ascontiguousarray(variable.numpy(), dtype="float32").tobytes())
    return digest.hexdigest()


def _directions(vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype("float32")
