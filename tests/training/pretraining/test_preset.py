from types import SimpleNamespace

import pytest

from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.pretraining.preset import save_preset


@pytest.mark.parametrize("kind", ["tiny_proto", "tiny_vocab_txt"])
def test_the_tokenizer_that_is_written_without_tensorflow_is_its_own(kind, tmp_path, request):
    vocabulary = request.getfixturevalue(kind)
    (tmp_path / "vocabulary").write_bytes(vocabulary)
    style = {"lowercase": False, "keep_accents": True}
    records = SimpleNamespace(vocabulary_file=tmp_path / "vocabulary", settings=style)
    backbone = SimpleNamespace(encoder=SimpleNamespace(recompute=True))
    model = SimpleNamespace(backbone=backbone, save_to_preset=lambda path: None)
    save_preset(model, records, tmp_path / "ours")
    tokenizer = AlbertTokenizer(vocabulary, name="albert_tokenizer", **style)
    tokenizer.save_to_preset(tmp_path / "its_own")
    for name in ("tokenizer.json", f"assets/tokenizer/{tokenizer.vocabulary.preset_file}"):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "its_own" / name).read_bytes()
