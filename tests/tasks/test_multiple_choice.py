import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.choice_files import read_choices
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.multiple_choice import ABSENT, AlbertMultipleChoice
from albert_tf.tasks.multiple_choice_preprocessor import AlbertMultipleChoicePreprocessor
from albert_tf.tasks.saving import save_checkpoint

original = SimpleNamespace(**runpy.run_path(Path(__file__).parents[1] / "original_tokenization.py"))

QUESTIONS = {
    "text": ["the cat sat on the mat", "a dull story", "plot the array"],
    "question": ["the _ sat", "what is it", "＿"],
    "choices": [["cat", "dog"], ["story", "film", "list"], ["array", "file"]],
}
LABELS = [0, 0, 1]


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    return AlbertMultipleChoicePreprocessor(tiny_tokenizer, sequence_length=24)


@pytest.fixture(scope="module")
def trained(backbone, preprocessor):
    """A model that has learned three questions with two or three choices."""
    model = AlbertMultipleChoice(backbone, preprocessor, dropout=0.0)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    rows = {name: values * 8 for name, values in QUESTIONS.items()}
    model.fit(rows, LABELS * 8, epochs=8, batch_size=8, verbose=0)
    return model


def text_of(tokenizer, ids):
    return "".join(map(tokenizer.id_to_token, ids)).replace("▁", " ").strip()


def segments(preprocessor, x):
    """For each question and choice the first and the second segment, as text."""
    rows = preprocessor(x)
    ids, segment_ids = rows["token_ids"].numpy(), rows["segment_ids"].numpy()
    mask, tokenizer = rows["padding_mask"].numpy() == 1, preprocessor.tokenizer
    return [
        [
            tuple(
                text_of(tokenizer, ids[i, j][mask[i, j] & (segment_ids[i, j] == s)]) for s in (0, 1)
            )
            for j in range(ids.shape[1])
        ]
        for i in range(ids.shape[0])
    ]


def test_a_choice_goes_into_the_blanks_or_behind_the_question(preprocessor):
    cat, story, plot = segments(preprocessor, QUESTIONS)
    assert cat[:2] == [
        ("[CLS] the cat sat on the mat[SEP]", "the cat sat[SEP]"),
        ("[CLS] the cat sat on the mat[SEP]", "the dog sat[SEP]"),
    ]
    assert [second for _, second in story] == [
        f"what is it {c}[SEP]" for c in ("story", "film", "list")
    ]
    # A full-width blank is one, too.
    assert plot[1] == ("[CLS] plot the array[SEP]", "file[SEP]")
    twice = segments(preprocessor, {"question": ["_ and _"], "choices": [["a", "the"]]})
    assert twice[0][1] == ("[CLS][SEP]", "the and the[SEP]")


def test_the_end_of_the_question_and_the_beginning_of_the_passage_stay(tiny_tokenizer):
    preprocessor = AlbertMultipleChoicePreprocessor(tiny_tokenizer, 12, max_qa_length=4)
    x = {
        "text": ["the cat sat on the mat"],
        "question": ["of the list"],
        "choices": [["dogs", "a"]],
    }
    rows = preprocessor(x)["token_ids"].numpy()[0]
    passage = tiny_tokenizer("the cat sat on the mat").numpy().tolist()
    for row, choice in zip(rows.tolist(), ["dogs", "a"], strict=True):
        asked = tiny_tokenizer(f"of the list {choice}").numpy().tolist()
        assert row == [2, *passage[:5], 3, *asked[-4:], 3]


@pytest.mark.parametrize(("length", "max_qa_length"), [(512, 128), (64, 12)])
def test_rows_are_those_of_the_original(shared, tmp_path, length, max_qa_length):
    import tarfile

    import sentencepiece

    from albert_tf.tokenizer import AlbertTokenizer

    proto = (shared / "data/spm/30k-clean.model").read_bytes()
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    with tarfile.open(shared / "data/race.tar.xz") as archive:
        for member in (archive.next() for _ in range(12)):
            archive.extract(member, tmp_path, filter="data")
    files = sorted(tmp_path.rglob("*.txt"))
    preprocessor = AlbertMultipleChoicePreprocessor(AlbertTokenizer(proto), length, max_qa_length)
    for path in files:
        questions = read_choices(path)
        rows = {n: v.numpy() for n, v in preprocessor(questions.inputs()).items()}
        for i in range(len(questions)):
            for j in range(4):
                ids, segment_ids = original_row(processor, questions, i, j, length, max_qa_length)
                assert rows["token_ids"][i, j][: len(ids)].tolist() == ids
                assert rows["segment_ids"][i, j][: len(ids)].tolist() == segment_ids
                assert rows["padding_mask"][i, j].sum() == len(ids)


def original_row(processor, questions, i, j, length, max_qa_length):
    """What race_utils.py makes of a choice, restated: [CLS] 2, [SEP] 3."""
    passage = original.encode(processor, questions.passages[i])
    question = original.clean(questions.questions[i])
    choice = original.clean(questions.choices[i][j])
    asked = question.replace("_", choice) if "_" in question else f"{question} {choice}"
    pieces = original.encode_pieces(processor, asked)
    asked = [processor.piece_to_id(piece) for piece in pieces][-max_qa_length:]
    passage = passage[: length - 3 - len(asked)]
    return [2, *passage, 3, *asked, 3], [0] * (len(passage) + 2) + [1] * (len(asked) + 1)


def test_a_tiny_model_learns_questions_with_two_and_three_choices(trained):
    assert [answer["index"] for answer in trained.choose(QUESTIONS)] == LABELS


def test_choices_that_are_not_there_get_no_share(trained):
    logits = trained.predict(QUESTIONS, verbose=0)
    assert (logits == ABSENT).tolist() == [[False, False, True], [False] * 3, [False, False, True]]
    # In batches of one there is nothing to fill up.
    np.testing.assert_allclose(
        trained.predict(QUESTIONS, batch_size=1, verbose=0), logits, atol=1e-5
    )
    chances = [answer["probabilities"] for answer in trained.choose(QUESTIONS)]
    assert [len(row) for row in chances] == [2, 3, 2]
    assert np.allclose([sum(row) for row in chances], 1)
    assert trained.choose(QUESTIONS)[2]["choice"] == "file"


@pytest.mark.slow
def test_datasets_and_held_out_rows_are_taken(backbone, preprocessor):
    model = AlbertMultipleChoice(backbone, preprocessor)
    rows = QUESTIONS | {"choices": tf.ragged.constant(QUESTIONS["choices"])}
    dataset = tf.data.Dataset.from_tensor_slices((rows, LABELS)).batch(2)
    model.fit(dataset, validation_data=(QUESTIONS, LABELS), verbose=0)
    assert int(model.optimizer.iterations) == 2
    assert "val_loss" in model.fit(QUESTIONS, LABELS, validation_split=0.5, verbose=0).history
    assert model.predict(dataset.map(lambda x, y: x), verbose=0).shape == (3, 3)


def test_a_preset_gives_vocabulary_and_lengths_back(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    again = AlbertMultipleChoice.from_preset(tmp_path / "preset")
    assert (again.preprocessor.sequence_length, again.preprocessor.max_qa_length) == (24, 12)
    assert again.choose(QUESTIONS) == trained.choose(QUESTIONS)


@pytest.mark.parametrize("format", ["hf", pytest.param("tf1", marks=pytest.mark.slow)])
def test_a_published_checkpoint_brings_head_and_vocabulary(trained, tmp_path, format):
    save_checkpoint(trained, tmp_path / format, format)
    # The original has one name for all heads on the pooled output.
    again = load_checkpoint(tmp_path / format, "multiple_choice")
    for ours, theirs in zip(again.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    found = [answer["index"] for answer in again.choose(QUESTIONS)]
    assert found == LABELS


def test_what_cannot_be_meant_is_refused(trained, backbone, tiny_tokenizer):
    with pytest.raises(
        ValueError, match="question 1 has 3 choices, counted from 0, and the label 3"
    ):
        trained.fit(QUESTIONS, [0, 3, 0], verbose=0)
    with pytest.raises(
        ValueError, match="dictionary of choices.*got passage, choices|got choices, p"
    ):
        trained.predict({"passage": ["a"], "choices": [["a", "b"]]})
    with pytest.raises(ValueError, match="dictionary of choices.*got a list|Tensor"):
        trained.preprocessor(["a"])
    with pytest.raises(ValueError, match=r"lists of texts.*got shape \(2,\)"):
        trained.preprocessor({"choices": ["a", "b"]})
    with pytest.raises(ValueError, match="beside 3 special tokens: got 10 for sequence_length 12"):
        AlbertMultipleChoicePreprocessor(tiny_tokenizer, 12, max_qa_length=10)
    with pytest.raises(ValueError, match="choose.. needs a model with a preprocessor"):
        AlbertMultipleChoice(backbone).choose(QUESTIONS)
    with pytest.raises(ValueError, match="at most the 48 positions"):
        AlbertMultipleChoice(backbone, AlbertMultipleChoicePreprocessor(tiny_tokenizer))
