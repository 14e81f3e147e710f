from types import SimpleNamespace

from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.pretraining.preset import save_preset


def test_the_tokenizer_that_is_written_without_tensorflow_is_its_own(tiny_proto, tmp_path):
    (tmp_path / "vocabulary.model").write_bytes(tiny_proto)
    style = {"lowercase": False, "keep_accents": True}
    records = SimpleNamespace(directory=tmp_path, settings=style)
    backbone = SimpleNamespace(encoder=SimpleNamespace(recompute=True))
    model = SimpleNamespace(backbone=backbone, save_to_preset=lambda path: None)
    save_preset(model, records, tmp_path / "ours")
    tokenizer = AlbertTokenizer(tiny_proto, name="albert_tokenizer", **style)
    tokenizer.save_to_preset(tmp_path / "its_own")
    for name in ("tokenizer.json", "assets/tokenizer/vocabulary.spm"):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "its_own" / name).read_bytes()
