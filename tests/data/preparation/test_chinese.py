"""Chinese text and a `vocab.txt` become records like any other."""

import json

from albert_tf.data.preparation.run import prepare
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.data.record_set import RecordSet
from albert_tf.text.wordpiece_model import WordPieceModel

SENTENCES = ["我爱北京。", "你去不去？", "（今天雨！）", "我不去，一天安。"]


def test_segments_are_whole_sentences_of_chinese(tmp_path, tiny_vocab_txt, examples_of):
    (tmp_path / "vocab.txt").write_bytes(tiny_vocab_txt)
    (tmp_path / "text.txt").write_text("\n".join(["".join(SENTENCES)] * 40), encoding="utf-8")
    settings = PreparationSettings(sequence_length=40, shards=1, held_out=0, short_prob=0)
    out = tmp_path / "out"
    texts, vocabulary = [tmp_path / "text.txt"], tmp_path / "vocab.txt"
    manifest = prepare(texts, vocabulary, out, settings, num_workers=1)
    assert manifest["text"]["sentences"] == 160
    assert manifest["vocabulary"]["file"] == "vocabulary.txt"
    assert (out / "vocabulary.txt").read_bytes() == tiny_vocab_txt
    pieces = WordPieceModel(tiny_vocab_txt).pieces
    rows = ["".join(pieces[i] for i in row["token_ids"]) for row in examples_of(out)]
    segments = [segment for row in rows for segment in row[5:-5].split("[SEP]")]
    assert len(segments) > 20
    # Of a row that was too long one segment lost its beginning or its end.
    whole = [
        s for s in segments if s.startswith(("我", "你", "（")) and s.endswith(("。", "？", "）"))
    ]
    assert len(whole) > len(segments) / 3


def test_records_know_the_words_of_their_vocab_txt(tmp_path, tiny_vocab_txt):
    (tmp_path / "vocab.txt").write_bytes(tiny_vocab_txt)
    lines = [json.dumps({"text": "".join(SENTENCES) * 9}, ensure_ascii=False)] * 20
    (tmp_path / "text.jsonl").write_text("\n".join(lines), encoding="utf-8")
    settings = PreparationSettings(sequence_length=24, shards=1, held_out=0, masking="static")
    texts, vocabulary = [tmp_path / "text.jsonl"], tmp_path / "vocab.txt"
    prepare(texts, vocabulary, tmp_path / "out", settings, num_workers=1)
    records = RecordSet.open(tmp_path / "out", vocabulary)
    model = WordPieceModel(tiny_vocab_txt)
    known = records.vocabulary
    assert known.mask_id == model.ids["[MASK]"] and known.pad_id == model.ids["[PAD]"]
    assert not known.word_starts[model.ids["##我"]] and known.word_starts[model.ids["我"]]
