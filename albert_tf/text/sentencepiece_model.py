"""What a SentencePiece model file says about its pieces, read once in Python."""

import functools

import numpy as np
import sentencepiece
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError

from albert_tf.text.pieces import PieceForm, read_file
from albert_tf.text.unigram import SPECIAL, WORD_START, behind_mask, form

UNIGRAM, CHAR = 1, 4
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4

# The part of sentencepiece_model.proto that we read. The module in the sentencepiece package
# cannot be imported beside TensorFlow's older protobuf.
_SCHEMA = """
name: "albert_tf/sentencepiece_model.proto" package: "albert_tf" syntax: "proto2"
message_type { name: "Piece"
  field { name: "piece" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "score" number: 2 label: LABEL_OPTIONAL type: TYPE_FLOAT }
  field { name: "type" number: 3 label: LABEL_OPTIONAL type: TYPE_INT32 default_value: "1" } }
message_type { name: "Trainer"
  field { name: "model_type" number: 3 label: LABEL_OPTIONAL type: TYPE_INT32 default_value: "1" }
  field { name: "treat_whitespace_as_suffix" number: 24 label: LABEL_OPTIONAL type: TYPE_BOOL }
  field { name: "byte_fallback" number: 35 label: LABEL_OPTIONAL type: TYPE_BOOL } }
message_type { name: "Normalizer"
  field { name: "precompiled_charsmap" number: 2 label: LABEL_OPTIONAL type: TYPE_BYTES }
  field { name: "add_dummy_prefix" number: 3 label: LABEL_OPTIONAL type: TYPE_BOOL
          default_value: "true" } }
message_type { name: "Model"
  field { name: "pieces" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE
          type_name: ".albert_tf.Piece" }
  field { name: "trainer_spec" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".albert_tf.Trainer" }
  field { name: "normalizer_spec" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".albert_tf.Normalizer" } }
"""


@functools.cache
def _model_class():
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("albert_tf.Model"))


class SentencePieceModel:
    """The pieces of a unigram SentencePiece model and the rules that follow from them.

    Args:
        proto: path of a `.model` file, or its bytes.

    Attributes:
        proto: the bytes.
        pieces: all pieces, in the order of their ids.
        ids: piece -> id.
        processor: the `sentencepiece` package's processor of it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the bytes are no SentencePiece model, or one that the graph op would
            tokenize otherwise than the `sentencepiece` package does.
    """

    special = SPECIAL
    advice = "`albert-tf vocab` trains one that has them."
    # In records and TFLite files, and in presets.
    file_name, preset_file = "vocabulary.model", "vocabulary.spm"

    def __init__(self, proto):
        self.source, self.proto = read_file(proto)
        self._model = _parse(self.source, self.proto)
        _check_graph_op_agrees(self.source, self._model)
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=self.proto)
        self.pieces = tuple(entry.piece for entry in self._model.pieces)
        self.ids = {piece: index for index, piece in enumerate(self.pieces)}

    def of_type(self, *types):
        """Gives the ids of the pieces of these types, as int array."""
        return np.array([i for i, p in enumerate(self._model.pieces) if p.type in types], np.int32)

    def is_symbol(self, piece):
        """Whether a piece is a symbol of the user, which no rule changes."""
        return self._model.pieces[self.ids[piece]].type == USER_DEFINED

    def form(self, piece) -> PieceForm:
        """How a piece reads in running text."""
        return form(piece)

    def behind_mask(self, index) -> int | None:
        """The id of a piece where it follows a mask without a space; None for no piece."""
        return behind_mask(self, index)

    @property
    def charsmap(self):
        """The normalization rules, as they stand in the file."""
        return self._model.normalizer_spec.precompiled_charsmap

    def bytes_of_longest_piece(self):
        """Bytes in UTF-8 of the longest piece; None where a piece goes on behind a space."""
        if any(WORD_START in piece.lstrip(WORD_START) for piece in self.pieces):
            return None
        return max(len(piece.encode()) for piece in self.pieces)

    def with_charsmap(self, charsmap):
        """Bytes of this model with other normalization rules."""
        model = _model_class()()
        model.CopyFrom(self._model)
        model.normalizer_spec.precompiled_charsmap = charsmap
        return model.SerializeToString()

    def digit_comma_splits(self):
        """Spells pieces such as "▁3," as "▁3" and "," (`encode_pieces` of the original).

        The original looks at every piece it gets; which pieces end in a digit and a comma is
        known from the vocabulary alone, so that the rule is a table.

        Returns:
            dict from the id of such a piece to the ids that stand for it.
        """
        table = {}
        for index in self.of_type(NORMAL):
            piece = self.pieces[index]
            if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
                table[int(index)] = [
                    self.processor.piece_to_id(part) for part in self._split_comma(piece)
                ]
        return table

    def _split_comma(self, piece):
        parts = self.processor.encode_as_pieces(piece[:-1].replace(WORD_START, ""))
        if piece[0] != WORD_START and parts[0][0] == WORD_START:
            parts = parts[1:] if len(parts[0]) == 1 else [parts[0][1:], *parts[1:]]
        return [*parts, piece[-1]]

    def extended_proto(self, scores):
        """Builds a model with more pieces, whose ids follow those that there are.

        Args:
            scores: piece -> log-probability, in the order of their ids.

        Returns:
            The bytes of that SentencePiece model.

        Raises:
            ValueError: a piece is there already.
        """
        if known := [piece for piece in scores if piece in self.ids]:
            raise ValueError(f"{self.source} has {known[0]!r} already, and {len(known) - 1} more.")
        extended = _model_class()()
        extended.CopyFrom(self._model)
        for piece, score in scores.items():
            extended.pieces.add(piece=piece, score=score, type=NORMAL)
        return extended.SerializeToString()

    def alignment_proto(self):
        """Builds a model with the same normalizer whose pieces are single characters.

        Tokenizing with it shows where each normalized character comes from: a known character
        or a user-defined symbol is one token, a run of unknown characters is one token, just
        as it is one `<unk>` for the full model. So the full model's pieces cover
        `alignment_lengths` of these tokens each, whichever way it cuts the text.

        Returns:
            (bytes of that SentencePiece model, the id of "▁" in it).

        Raises:
            ValueError: a piece has a character that is no piece itself, so that runs of
                unknown characters cannot be told from the text alone.
        """
        singles, inside = set(), {WORD_START}
        aligned = _model_class()(
            trainer_spec=self._model.trainer_spec, normalizer_spec=self._model.normalizer_spec
        )
        aligned.trainer_spec.model_type = CHAR
        for entry in self._model.pieces:
            is_single = entry.type == NORMAL and len(entry.piece) == 1
            if entry.type in (UNKNOWN, USER_DEFINED) or is_single:
                aligned.pieces.append(entry)
                singles.add(entry.piece)
            if entry.type == NORMAL:
                inside.update(entry.piece)
        if strays := sorted(inside - singles):
            raise ValueError(
                f"Offsets need every character of a piece to be a piece itself: {self.source} "
                f"has no piece for {', '.join(map(repr, strays[:5]))} ({len(strays)} in all). "
                "Vocabularies that SentencePiece trained have them; this one was edited."
            )
        word_start = [entry.piece for entry in aligned.pieces].index(WORD_START)
        return aligned.SerializeToString(), word_start

    def alignment_lengths(self):
        """Tells how many tokens of `alignment_proto` each piece covers, int64 `(vocab_size,)`."""
        return np.array(
            [len(p.piece) if p.type == NORMAL else 1 for p in self._model.pieces], np.int64
        )


def _parse(source, proto):
    model = _model_class()()
    try:
        model.ParseFromString(proto)
    except DecodeError as error:
        raise ValueError(
            f"The vocabulary must be a SentencePiece .model file: {source} cannot be parsed "
            f"({error}), and is no WordPiece vocab.txt with a line [CLS] either. The .vocab file "
            "beside a .model is only a listing; a cut-off download looks like this too."
        ) from error
    if not model.pieces:
        raise ValueError(
            f"The vocabulary must be a SentencePiece .model file: {source} holds no pieces."
        )
    return model


def _check_graph_op_agrees(source, model):
    # tensorflow_text's FastSentencepieceTokenizer reads these models and gives other ids.
    trainer = model.trainer_spec
    for holds, setting in (
        (trainer.model_type in (UNIGRAM, CHAR), "model_type unigram"),
        (not trainer.byte_fallback, "byte_fallback false"),
        (not trainer.treat_whitespace_as_suffix, "treat_whitespace_as_suffix false"),
        (model.normalizer_spec.add_dummy_prefix, "add_dummy_prefix true"),
    ):
        if not holds:
            raise ValueError(
                f"The vocabulary must be trained with {setting}, as ALBERT's was: {source} is "
                "not. The tokenizer op would give other ids than the sentencepiece package."
            )
