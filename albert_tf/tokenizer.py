"""Text to ids and back as TensorFlow ops, the way the original `tokenization.py` does it."""

import json
import operator
from pathlib import Path

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from albert_tf.config import PRESETS
from albert_tf.staging import new_file
from albert_tf.text.nested import as_ids, as_text, map_ids, map_text
from albert_tf.text.published_style import published_style
from albert_tf.text.sentencepiece_model import CONTROL, SentencePieceModel
from albert_tf.text.sentencepiece_ops import SentencePieceOps
from albert_tf.text.vocabulary import read_vocabulary
from albert_tf.text.wordpiece_model import WordPieceModel
from albert_tf.text.wordpiece_ops import WordPieceOps

PUBLISHED_VOCABULARY = "spiece.model"


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTokenizer(keras_hub.tokenizers.Tokenizer):
    """Turns raw text into SentencePiece or WordPiece ids, inside the graph.

    The ids are those of google-research/albert's `tokenization.py`, so that the published
    checkpoints see what they were trained on. English and multilingual ones have a SentencePiece
    model: its clean-up (`text/cleanup.py`) and the digit-comma rule ("3," is "3" and ",") belong to
    it. Chinese ones have a WordPiece `vocab.txt`: each ideograph and each sign of punctuation is a
    word, other words are cut into the longest pieces (`text/wordpiece_cleanup.py`). The content of
    the file says which it is. Everything is an op: it runs in `tf.data`, in a SavedModel and in TF
    Serving.

    Special tokens are found in the vocabulary: `start_token` [CLS], `end_token` [SEP],
    `mask_token` [MASK], `pad_token` <pad> or [PAD], `unk_token` <unk> or [UNK], each with its
    `..._id`. Text that spells them gives ordinary ids: only a caller can put a special token into
    a sequence.

    Args:
        proto: path of a SentencePiece `.model` file or of a `vocab.txt`, or its bytes.
        lowercase: whether letters become small; the published English and Chinese models want it.
        keep_accents: whether combining marks stay; the published models drop them. With WordPiece
            they go together with capitals, as in the original: `lowercase=False` keeps them, too.

    Call arguments:
        inputs: text, as a string, nested lists, an array, a tensor or a ragged tensor.

    Returns:
        int32 ragged tensor with one more dimension than `inputs`; `(num_tokens,)` for a string.

    Raises:
        FileNotFoundError: `proto` names no file.
        ValueError: `proto` is no usable vocabulary, or lacks a special token.
    """

    def __init__(self, proto=None, lowercase=True, keep_accents=False, **kwargs):
        super().__init__(**{"dtype": "int32", **kwargs})
        self.lowercase = lowercase
        self.keep_accents = keep_accents
        self.file_assets = [SentencePieceModel.preset_file]
        self._model = None
        self._add_special_token("[CLS]", "start_token")
        self._add_special_token("[SEP]", "end_token")
        self._add_special_token("[MASK]", "mask_token")
        self._add_special_token("<pad>", "pad_token")
        self._add_special_token("<unk>", "unk_token")
        if proto is not None:
            self.set_proto(proto)

    def set_proto(self, proto):
        """Takes the vocabulary from a file or its bytes; errors as in the constructor."""
        model = read_vocabulary(proto)
        names = ("start_token", "end_token", "mask_token", "pad_token", "unk_token")
        for name, token in zip(names, model.special, strict=True):
            setattr(self, name, token)
        hidden_ids = [model.ids[token] for token in model.special if token != self.unk_token]
        kind = WordPieceOps
        if isinstance(model, SentencePieceModel):
            kind, hidden_ids = SentencePieceOps, np.union1d(model.of_type(CONTROL), hidden_ids)
        with tf.init_scope(), tf.device("cpu"):
            self._ops = kind(model, hidden_ids, self.lowercase, self.keep_accents)
        self._model = model
        self.file_assets = [model.preset_file]
        self._update_special_token_ids()

    @property
    def vocabulary(self) -> SentencePieceModel | WordPieceModel:
        """What the file says of its pieces."""
        self._check_vocabulary()
        return self._model

    @property
    def proto(self):
        """The bytes of the vocabulary's file, or None before there is one."""
        return self._model and self._model.proto

    def __call__(self, inputs, *args, **kwargs):
        # As one tensor: Keras looks at every string of a list, which takes longer than the ids.
        return super().__call__(as_text(inputs), *args, **kwargs)

    def call(self, inputs, training=None):
        return self.tokenize(inputs)

    def tokenize(self, inputs):
        """Gives the ids of text; calling the tokenizer does the same."""
        self._check_vocabulary()
        with tf.device("cpu"):
            return map_text(self._ops.encode, as_text(inputs))

    def clean(self, inputs):
        """Gives text as the vocabulary knows it: small letters, without accents, and so on.

        Args:
            inputs: string tensor `(num_texts,)`.

        Returns:
            string tensor `(num_texts,)`, which gives the ids that `inputs` give.
        """
        self._check_vocabulary()
        with tf.device("cpu"):
            return self._ops.clean(inputs)

    def tokenize_beginning(self, inputs, num_tokens):
        """Gives the ids of text, and of a very long one no more than its beginning.

        The first `num_tokens` ids of each text are those of `tokenize`, for any text without
        words of thousands of letters or thousands of unknown or control characters in a row. Memory
        does not grow with what follows.

        Args:
            inputs: as in the call.
            num_tokens: whole number; so many ids are wanted, and more may come.
        """
        self._check_vocabulary()
        with tf.device("cpu"):
            return map_text(
                lambda text: self._ops.encode_beginning(text, num_tokens), as_text(inputs)
            )

    def tokenize_with_offsets(self, inputs):
        """Gives the ids of text, and for each the span of the given text that it stands for.

        Positions count Unicode characters (Python's string indices) of the text as given,
        before any clean-up. A piece covers the accents that were stripped from its letters,
        and never the space before it; a lone "▁" has an empty span. Pieces cut from one
        character ("½" is "1", "⁄", "2") share its span. [UNK] covers its whole word.

        Args:
            inputs: as in the call.

        Returns:
            (ids, starts, ends): int32, int64, int64, all shaped like the result of the call;
            ends are exclusive.
        """
        self._check_vocabulary()
        with tf.device("cpu"):
            return map_text(self._ops.encode_with_spans, as_text(inputs))

    def detokenize(self, inputs):
        """Turns ids back into (cleaned) text.

        Padding, [CLS], [SEP], [MASK] and other control pieces are skipped; <unk> shows as
        " ⁇ ", SentencePiece's sign for lost text, and [UNK] as it is. Spaces of WordPiece, which
        the ids do not tell, are put between words that are neither ideographs nor punctuation.

        Args:
            inputs: int ids, the last dimension holding the tokens of one text: nested lists,
                an array, a tensor or a ragged tensor.

        Returns:
            string tensor without that last dimension; a scalar for `(num_tokens,)`.

        Raises:
            ValueError: an id lies outside the vocabulary (in a graph, the op's own error).
        """
        self._check_vocabulary()
        with tf.device("cpu"):
            ids = as_ids(inputs)
            flat = ids.flat_values if isinstance(ids, tf.RaggedTensor) else ids
            if tf.executing_eagerly():
                self._check_ids(flat.numpy())
            return map_ids(self._ops.decode, ids)

    def token_to_id(self, token):
        """Gives the id of a piece; that of `unk_token` if the vocabulary lacks it."""
        self._check_vocabulary()
        token = token.decode("utf-8") if isinstance(token, bytes) else token
        return self._model.ids.get(token, self._model.ids[self.unk_token])

    def id_to_token(self, id):
        """Gives the piece with this id, as a string."""
        self._check_vocabulary()
        id = operator.index(id)
        self._check_ids(np.asarray(id))
        return self._model.pieces[id]

    def get_vocabulary(self):
        """Gives all pieces as strings, in the order of their ids."""
        self._check_vocabulary()
        return list(self._model.pieces)

    def vocabulary_size(self):
        """Gives the number of pieces."""
        self._check_vocabulary()
        return len(self._model.pieces)

    def get_config(self):
        # The vocabulary is an asset: it travels as a file beside the config.
        return {
            **super().get_config(),
            "proto": None,
            "vocabulary_file": self.file_assets[0],
            "lowercase": self.lowercase,
            "keep_accents": self.keep_accents,
        }

    @classmethod
    def from_config(cls, config):
        """A tokenizer without its vocabulary, which `load_assets` reads."""
        config = dict(config)
        # Before there was WordPiece, the config did not name the file.
        vocabulary_file = config.pop("vocabulary_file", SentencePieceModel.preset_file)
        tokenizer = super().from_config(config)
        tokenizer.file_assets = [vocabulary_file]
        return tokenizer

    def save_assets(self, dir_path):
        """Writes the vocabulary into an existing directory."""
        self._check_vocabulary()
        with new_file(Path(dir_path) / self.file_assets[0], overwrite=True) as staged:
            staged.write_bytes(self.proto)

    def load_assets(self, dir_path):
        """Reads the vocabulary that `save_assets` wrote."""
        self.set_proto(Path(dir_path) / self.file_assets[0])

    @classmethod
    def from_preset(cls, preset, config_file="tokenizer.json", **kwargs):
        """Reads the tokenizer of a preset directory, whatever model stands beside it.

        Args:
            preset: local directory that `save_to_preset` of a tokenizer or task wrote, or the
                name of a model that comes with the package (`books_small`).
            config_file: name of the tokenizer's file in it.
            **kwargs: settings that replace the saved ones.

        Raises:
            FileNotFoundError: the directory holds no tokenizer, or no vocabulary.
            ValueError: the file is unreadable or describes another class.
        """
        path, shipped = Path(preset) / config_file, PRESETS / preset
        if not Path(preset).exists() and (shipped / PUBLISHED_VOCABULARY).is_file():
            return cls(shipped / PUBLISHED_VOCABULARY, **published_style(shipped) | kwargs)
        if not path.is_file():
            raise FileNotFoundError(
                f"A preset must be a local directory with {config_file}: there is no {path}. "
                "save_to_preset(directory) writes one."
            )
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            registered_name, config = saved["registered_name"], saved["config"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"A tokenizer's config cannot be read: {path}: {error!r}.") from error
        saved_class = keras.saving.get_registered_object(registered_name)
        if not (isinstance(saved_class, type) and issubclass(saved_class, cls)):
            raise ValueError(
                f"The preset must hold a {cls.__name__}: {path} describes {registered_name}. "
                "Load it with the class that wrote it."
            )
        tokenizer = saved_class.from_config({**config, **kwargs})
        tokenizer.load_preset_assets(str(preset))
        return tokenizer

    def _check_vocabulary(self):
        if self._model is None:
            raise ValueError(
                "The tokenizer has no vocabulary yet: pass proto= to the constructor, or call "
                "load_assets(directory)."
            )

    def _check_ids(self, ids):
        size = self.vocabulary_size()
        if ids.size and not (ids.min() >= 0 and ids.max() < size):
            raise ValueError(
                f"Ids must lie in the vocabulary, 0 to {size - 1}: got {ids.min()} to "
                f"{ids.max()}. Were they made with another vocabulary?"
            )
