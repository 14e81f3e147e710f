"""Chinese checkpoints bring a `vocab.txt`: found beside the weights, read, and written again."""

import json
import os

import pytest

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.files import find_vocabulary, vocabulary_of
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.text.published_style import published_style
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.vocabulary_extension import extend

TEXT = "我爱北京，the cats unhello！"


@pytest.fixture(scope="module")
def tokenizer(tiny_vocab_txt):
    return AlbertTokenizer(tiny_vocab_txt)


@pytest.fixture(scope="module")
def backbone(tiny_config):
    return AlbertBackbone(tiny_config)


@pytest.mark.parametrize("format", ["hf", "tf1"])
def test_a_task_on_a_chinese_checkpoint_reads_raw_text(tmp_path, backbone, tokenizer, format):
    save_checkpoint(backbone, tmp_path / "zh", format, tokenizer=tokenizer)
    assert (tmp_path / "zh/vocab.txt").read_bytes() == tokenizer.proto
    model = AlbertTextClassifier.from_preset(str(tmp_path / "zh"), num_classes=2)
    read = model.preprocessor.tokenizer
    assert read(TEXT).numpy().tolist() == tokenizer(TEXT).numpy().tolist()


def test_a_preset_keeps_its_vocab_txt(tmp_path, backbone, tokenizer):
    preprocessor = AlbertTextClassifier.preprocessor_cls(tokenizer, sequence_length=16)
    model = AlbertTextClassifier(backbone, 2, preprocessor=preprocessor)
    model.save_to_preset(tmp_path / "preset")
    again = AlbertTextClassifier.from_preset(str(tmp_path / "preset"))
    assert again.preprocessor.tokenizer.proto == tokenizer.proto
    assert vocabulary_of(tmp_path / "preset").name == "vocabulary.txt"


@pytest.mark.parametrize("name", ["vocab.txt", "vocab_chinese.txt", "assets/my_vocab.txt"])
def test_a_vocab_txt_is_found_by_its_usual_names(tmp_path, name):
    assert find_vocabulary(tmp_path) is None
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert find_vocabulary(tmp_path) == tmp_path / name


def test_several_vocab_txts_are_asked_about_unless_one_has_the_usual_name(tmp_path):
    for name in ("vocab_a.txt", "vocab_b.txt"):
        (tmp_path / name).touch()
    with pytest.raises(
        CheckpointError, match="vocab_a.txt, .*vocab_b.txt. Call the right one vocab"
    ):
        find_vocabulary(tmp_path)
    (tmp_path / "vocab.txt").touch()
    assert find_vocabulary(tmp_path).name == "vocab.txt"


@pytest.mark.parametrize(
    ("settings", "style"),
    [
        ({}, (True, False)),
        ({"do_lower_case": False, "strip_accents": None}, (False, False)),
        ({"do_lower_case": True, "strip_accents": False}, (True, True)),
        ({"do_lower_case": True, "strip_accents": True}, (True, False)),
    ],
)
def test_the_clean_up_is_what_hugging_faces_files_say(tmp_path, settings, style):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert tuple(published_style(tmp_path).values()) == style


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars must be True"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize must be True"),
        ({"do_lower_case": False, "strip_accents": True}, "got True and False"),
    ],
)
def test_a_clean_up_that_the_original_lacks_is_refused(tmp_path, settings, message):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=message):
        published_style(tmp_path)


def test_the_clean_up_travels_in_hugging_face_files(tmp_path, backbone, tiny_vocab_txt):
    for number, style in enumerate([(True, True), (True, False), (False, True)]):
        directory = tmp_path / str(number)
        tokenizer = AlbertTokenizer(tiny_vocab_txt, *style)
        save_checkpoint(backbone, directory, "hf", tokenizer=tokenizer)
        assert (
            AlbertTokenizer(directory / "vocab.txt", **published_style(directory))("Café Éa")
            .numpy()
            .tolist()
            == tokenizer("Café Éa").numpy().tolist()
        )


def test_keras_hub_is_not_given_what_its_tokenizers_read_otherwise(tmp_path, backbone, tokenizer):
    with pytest.raises(CheckpointError, match="ASCII of the punctuation of Chinese"):
        save_checkpoint(backbone, tmp_path / "zh", "keras_hub", tokenizer=tokenizer)


def test_transformers_reads_what_is_written(tmp_path, backbone, tokenizer):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers", reason="needs transformers, of [bench]")
    save_checkpoint(backbone, tmp_path / "zh", "hf", tokenizer=tokenizer)
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path / "zh")
    ids = tokenizer(TEXT).numpy().tolist()
    assert theirs(TEXT)["input_ids"] == [tokenizer.start_token_id, *ids, tokenizer.end_token_id]


def test_new_pieces_are_refused(tmp_path, backbone, tokenizer):
    save_checkpoint(backbone, tmp_path / "zh", "hf", tokenizer=tokenizer)
    with pytest.raises(ValueError, match="Only SentencePiece vocabularies are extended"):
        extend(tmp_path / "zh", ["我爱北京"], tmp_path / "out", 10)
