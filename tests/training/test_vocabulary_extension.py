import numpy as np
import pytest

from albert_tf import cli
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.vocabulary_extension import Speller, extend, new_pieces

LINES = [
    "the cardiologist met a cardiologist",
    "myocardial infarction of the myocardium",
    "an old cardiologist and the myocardial wall",
] * 20


@pytest.fixture(scope="module")
def preset(tiny_config, tiny_tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("start") / "preset"
    AlbertPretrainer(AlbertBackbone(tiny_config)).save_to_preset(path)
    tiny_tokenizer.save_to_preset(str(path))
    return path


@pytest.fixture(scope="module")
def extended(preset, tmp_path_factory):
    path = tmp_path_factory.mktemp("extended") / "preset"
    return path, extend(preset, LINES, path, 8)


def test_the_words_of_the_text_take_fewer_tokens(extended, tiny_tokenizer):
    path, done = extended
    tokenizer = AlbertTokenizer.from_preset(path)
    assert 0 < done["new_pieces"] <= 8
    assert tokenizer.vocabulary_size() == done["vocabulary_size"] == 88 + done["new_pieces"]
    counts = [sum(t(LINES).row_lengths().numpy()) for t in (tiny_tokenizer, tokenizer)]
    assert counts == [done["tokens_before"], done["tokens_after"]]
    assert counts[1] < 0.7 * counts[0]


def test_old_pieces_keep_their_ids_and_new_ones_are_used(extended, tiny_tokenizer):
    tokenizer = AlbertTokenizer.from_preset(extended[0])
    assert tokenizer.get_vocabulary()[:88] == tiny_tokenizer.get_vocabulary()
    used = np.unique(tokenizer(LINES).flat_values.numpy())
    assert set(range(88, tokenizer.vocabulary_size())) <= set(used.tolist())
    assert tokenizer("cardiologist").shape[0] < tiny_tokenizer("cardiologist").shape[0]
    text = "The cardiologist (myocardial)!"
    ids, starts, ends = tokenizer.tokenize_with_offsets(text)
    np.testing.assert_array_equal(ids, tokenizer(text))
    assert "cardiologist" in "".join(text[s:e] for s, e in zip(starts, ends, strict=True))


def test_the_model_fits_its_vocabulary_and_starts_from_the_parts(extended, preset):
    grown, old = (load_checkpoint(path, "pretrainer") for path in (extended[0], preset))
    tokenizer = AlbertTokenizer.from_preset(extended[0])
    assert grown.backbone.albert_config.vocab_size == tokenizer.vocabulary_size()
    table = np.array(old.backbone.token_embedding.embeddings)
    rows = np.array(grown.backbone.token_embedding.embeddings)
    speller = Speller(SentencePieceModel(AlbertTokenizer.from_preset(preset).proto))
    parts, _ = speller.spell(tokenizer.id_to_token(88))
    assert len(parts) > 1
    np.testing.assert_allclose(rows[88], table[parts].mean(0), atol=1e-6)


def test_a_piece_is_spelled_by_the_likeliest_parts(tiny_proto):
    model = SentencePieceModel(tiny_proto)
    speller = Speller(model)
    for text in ("cardiologist", "logarithmic", "xyz"):
        parts, score = speller.spell("▁" + text)
        assert parts == model.processor.encode(text)
        expected = sum(model.processor.get_score(part) for part in parts)
        assert speller.unknown in parts or np.isclose(score, expected)


def test_a_character_that_was_unknown_comes_before_its_pieces(tiny_proto):
    model = SentencePieceModel(tiny_proto)
    assert "ß" not in model.ids
    found = new_pieces(["straße maße straße maße große"] * 30, model, 4)
    assert "ß" in found and found["ß"].parts == (model.processor.unk_id(),)
    order = list(found)
    assert all(order.index("ß") <= order.index(piece) for piece in order if "ß" in piece)
    scores = {piece: new.score for piece, new in found.items()}
    SentencePieceModel(model.extended_proto(scores)).alignment_proto()


def test_what_cannot_be_meant_is_refused(preset, tiny_proto, tmp_path):
    model = SentencePieceModel(tiny_proto)
    with pytest.raises(ValueError, match="at least 1: got 0"):
        new_pieces(["a"], model, 0)
    with pytest.raises(ValueError, match="New pieces come from text: got none"):
        extend(preset, ["", "  "], tmp_path / "out", 5)
    with pytest.raises(ValueError, match="has 'a' already, and 0 more"):
        model.extended_proto({"a": -1.0})
    assert not (tmp_path / "out").exists()


def test_the_verb_says_what_it_did(preset, capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("\n".join(LINES))
    flags = ["--model", preset, "--texts", tmp_path / "notes.txt", "--out", tmp_path / "out"]
    assert cli.main(["extend", *map(str, flags), "--pieces", "3"]) == 0
    out = capsys.readouterr().out
    assert "3 pieces are new, 91 in all" in out and "vocabulary.spm" in out
    assert cli.main(["extend", *map(str, flags)]) == 2
    assert "must not exist yet" in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_without_heads_gets_new_ones(tiny_config, tiny_tokenizer, tmp_path):
    from albert_tf.tasks.saving import save_checkpoint

    backbone = AlbertBackbone(tiny_config)
    save_checkpoint(backbone, tmp_path / "hf", "hf", tokenizer=tiny_tokenizer)
    done = extend(tmp_path / "hf", LINES, tmp_path / "out", 3)
    assert done["fresh_heads"] == ["masked_lm_head", "sentence_order_head"]
    grown = load_checkpoint(tmp_path / "out", "pretrainer")
    np.testing.assert_array_equal(
        np.array(grown.backbone.token_embedding.embeddings)[:88],
        np.array(backbone.token_embedding.embeddings),
    )
