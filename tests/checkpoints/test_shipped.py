import numpy as np
import pytest

from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.tasks.seq2seq_lm import AlbertSeq2SeqLM
from albert_tf.tasks.text_classifier import AlbertTextClassifier


@pytest.fixture
def shipped(tiny_config, tiny_tokenizer, tmp_path, monkeypatch):
    """A pretrainer that comes with the package under the name `little`."""
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    save_checkpoint(model, tmp_path / "little", "hf", tiny_tokenizer, dtype="float16")
    for module in ("config", "checkpoints.files"):
        monkeypatch.setattr(f"albert_tf.{module}.PRESETS", tmp_path)
    return model


def test_a_name_gives_model_and_vocabulary(shipped):
    model = AlbertTextClassifier.from_preset("little", num_classes=2)
    assert model.predict(["A dull story."], verbose=0).shape == (1, 2)
    assert "little" in AlbertConfig.presets()
    assert AlbertConfig.from_preset("little").hidden_size == 24


def test_half_precision_keeps_three_digits_of_each_weight(shipped):
    loaded = load_checkpoint("little")
    for ours, theirs in zip(shipped.weights, loaded.weights, strict=True):
        # float16 rounds to 11 bits, and to 2**-24 near 0.
        np.testing.assert_allclose(theirs, ours, rtol=2**-11, atol=2**-24)
        assert theirs.dtype == "float32"


def test_what_stands_at_a_path_goes_before_a_name(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    (tmp_path.parent / "little").mkdir(exist_ok=True)
    with pytest.raises(FileNotFoundError, match="little holds no checkpoint"):
        load_checkpoint("little")


def test_half_precision_is_refused_where_nobody_reads_it(tiny_config, tmp_path):
    with pytest.raises(ValueError, match="float16 with format='hf': got 'float16' with 'tf1'"):
        save_checkpoint(AlbertBackbone(tiny_config), tmp_path / "x", "tf1", dtype="float16")


@pytest.mark.parametrize("head", ["decoder", "classifier_0"])
def test_a_part_that_no_published_format_has_is_new_beside_a_name(shipped, head):
    """A decoder, and a classifier at every depth."""
    if head == "decoder":
        model = AlbertSeq2SeqLM.from_preset("little", num_decoder_layers=1)
    else:
        model = AlbertEarlyExitClassifier.from_preset("little", num_classes=2)
    assert any(weight.path.startswith(f"{head}/") for weight in model.weights)
    ours, theirs = shipped.backbone.get_weights(), model.backbone.get_weights()
    for one, other in zip(ours, theirs, strict=True):
        # float16 rounds to 11 bits, and to 2**-24 near 0.
        np.testing.assert_allclose(other, one, rtol=2**-11, atol=2**-24)


def test_a_decoder_is_not_drawn_where_all_weights_were_asked_for(shipped):
    with pytest.raises(ValueError, match="without a published name"):
        load_checkpoint("little", "seq2seq_lm")
