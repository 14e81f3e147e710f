"""TFLite files on raw text with the light runtime alone, against what servers' exports give."""

import dataclasses
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema

from albert_tf.exporting.answers.base import AnswerOptions
from albert_tf.exporting.light.asking import ask_file, ask_rows
from albert_tf.exporting.light.model_file import LightModel
from albert_tf.exporting.mobile.accuracy import AccuracyCheck, AccuracyDropError
from albert_tf.exporting.tasks import answers_of
from albert_tf.exporting.tflite import export_tflite
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.serving.readable import readable_rows
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.multiple_choice import AlbertMultipleChoice
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_embedder import AlbertTextEmbedder
from albert_tf.tasks.token_classifier import AlbertTokenClassifier
from albert_tf.text.normalizing_model import trimmed_proto
from albert_tf.text.unigram import UnigramModel

LONG = "Open the file and read every line of it, said (quietly) the cat, and 3, dogs did. " * 4
QUESTIONS = {"question": ["Who said?", "What", ""], "context": [LONG, "", "A £5 note — Zoë."]}
TAGS = ["O", "B-who", "I-who", "B-what", "I-what"]


@pytest.fixture(scope="module")
def classes_file(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("light") / "classes.tflite"
    return export_tflite(classifier, path, "none", seq_len=48)


def assert_close(got, expected):
    if isinstance(expected, dict):
        assert set(got) == set(expected)
        for name, value in expected.items():
            assert_close(got[name], value)
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for pair in zip(got, expected, strict=True):
            assert_close(*pair)
    elif isinstance(expected, (float, np.ndarray)):
        # float32 in both; other kernels sum in another order.
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    else:
        assert got == expected


def said_by_keras(model, rows, **options):
    answers = answers_of(model, AnswerOptions(**options))
    says = answers.text_signatures()[0].expected(rows)
    for name, values in says.items():
        if values.dtype == object:
            flat = [text.decode() for text in values.flat]
            says[name] = np.array([*flat, None], object)[:-1].reshape(values.shape)
    return readable_rows(says)


def test_raw_text_gets_the_class_that_keras_gives(classes_file, classifier, texts):
    got = LightModel(classes_file).answer(text=texts)
    assert_close(got, said_by_keras(classifier, {"text": texts}))


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["none", "dynamic"])
@pytest.mark.parametrize(
    "task", ["spans", "beams", "choices", "entities", "words", "masks", "order", "vectors", "score"]
)
def test_every_task_answers_raw_text(
    task, quantization, backbone, tiny_tokenizer, make_classifier, shake, tmp_path
):
    def made(cls, *args, sequence_length=40, **kwargs):
        options = {"doc_stride": 12} if cls is AlbertQuestionAnswering else {}
        preprocessor = cls.preprocessor_cls(
            tiny_tokenizer, sequence_length=sequence_length, **options
        )
        return shake(cls(backbone, *args, preprocessor=preprocessor, **kwargs))

    model, rows = {
        "spans": lambda: (made(AlbertQuestionAnswering), QUESTIONS),
        "beams": lambda: (
            made(AlbertQuestionAnswering, head="conditional", null_threshold=0.0),
            QUESTIONS,
        ),
        "choices": lambda: (made(AlbertMultipleChoice), None),
        "entities": lambda: (made(AlbertTokenClassifier, 5, class_names=TAGS), None),
        "words": lambda: (made(AlbertTokenClassifier, 3, sequence_length=16), {"text": [LONG]}),
        "masks": lambda: (made(AlbertMaskedLM), None),
        "order": lambda: (shake(AlbertPretrainer(backbone)), None),
        "vectors": lambda: (made(AlbertTextEmbedder), None),
        "score": lambda: (make_classifier(1), None),
    }[task]()
    options = {"tokenizer": tiny_tokenizer} if task == "order" else {}
    path = tmp_path / "m.tflite"
    export_tflite(model, path, quantization, seq_len=48, **options)
    answers = answers_of(model, AnswerOptions(**options))
    signature = answers.text_signatures()[-1 if task == "choices" else 0]
    samples = rows or answers.sample_rows()
    rows = {name: samples[name] for name in signature.inputs}
    got = LightModel(path).answer(**rows)
    if quantization == "none":
        assert_close(got, said_by_keras(model, rows, **options))
    else:
        assert len(got) == len(next(iter(rows.values())))


def test_odd_texts_get_an_answer_and_long_ones_are_cut(classes_file):
    model = LightModel(classes_file)
    long, cut, *odd = model.answer(text=[LONG * 9, LONG * 2, "", b"a\xff\0b", "\ud800"])
    assert long == cut
    for row in odd:
        np.testing.assert_allclose(sum(row["probabilities"].values()), 1, rtol=1e-6)


def test_a_command_line_and_a_file_are_answered_alike(classes_file, texts, tmp_path):
    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n".join(json.dumps({"text": text, "id": 3}) for text in texts))
    rows = ask_file(classes_file, text=texts)
    assert [row["text"] for row in rows] == texts and ask_rows(classes_file, lines) == rows


def test_the_light_runtime_needs_no_tensorflow(classes_file):
    script = (
        "import sys\nfrom albert_tf.exporting.light.asking import ask_file\n"
        "answers = ask_file(sys.argv[1], text=['What a film!'])\n"
        "assert answers[0]['label'] in ('dull', 'light', 'neither')\n"
        "heavy = {'tensorflow', 'keras', 'sentencepiece'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    command = [sys.executable, "-c", script, str(classes_file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_file_carries_its_vocabulary_and_its_labels(classes_file, classifier):
    with zipfile.ZipFile(classes_file) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert files["labels.txt"] == b"dull\nlight\nneither\n"
    tokenizer = classifier.preprocessor.tokenizer
    assert files["vocabulary.model"] == trimmed_proto(tokenizer.proto)
    assert UnigramModel(files["vocabulary.model"]).pieces == UnigramModel(tokenizer.proto).pieces
    description = json.loads(files["albert.json"])
    assert description["task"] == "text_classifier" and description["sizes"]["seq_len"] == 48


def metadata_of(path):
    """The bytes under the name that readers of TFLite metadata look for."""
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    (entry,) = [e for e in entries if e.Name() == b"TFLITE_METADATA"]
    return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()


def test_the_metadata_has_the_mark_and_the_names_of_the_schema(classes_file):
    content = metadata_of(classes_file)
    assert content[4:8] == b"M001"
    for name in (b"vocabulary.model", b"labels.txt", b"ALBERT text_classifier", b"1.1.0"):
        assert name in content


def test_weights_begin_at_multiples_of_sixteen(classes_file):
    content = classes_file.read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    for i in range(model.BuffersLength()):
        if model.Buffers(i).DataLength() > 64:
            place = content.find(model.Buffers(i).DataAsNumpy().tobytes())
            assert place % 16 == 0


@pytest.mark.slow
def test_metadata_changes_no_answer(classes_file, classifier, tmp_path):
    bare = tmp_path / "bare.tflite"
    export_tflite(classifier, bare, "none", seq_len=48, metadata=False)
    inputs = {name: np.ones((1, 48), np.int32) for name in ("token_ids", "segment_ids")}
    inputs["input_length"] = np.array([7], np.int32)
    outputs = [
        Interpreter(model_path=str(path)).get_signature_runner("tokens")(**inputs)
        for path in (bare, classes_file)
    ]
    np.testing.assert_array_equal(outputs[0]["logits"], outputs[1]["logits"])
    with pytest.raises(ValueError, match="does not describe itself"):
        LightModel(bare)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, "lists of one length named text .*: got none"),
        ({"question": ["a"]}, r"named text .*: got question \(1\)"),
        ({"text": ["a"], "text_pair": []}, r"got text \(1\), text_pair \(0\)"),
    ],
)
def test_other_texts_are_refused(classes_file, texts, message):
    with pytest.raises(ValueError, match=message):
        LightModel(classes_file).answer(**texts)


def test_what_is_no_file_of_ours_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        LightModel(tmp_path / "absent.tflite")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(ValueError, match="the mark TFL3 of the format is missing"):
        LightModel(tmp_path / "text")


@pytest.mark.slow
def test_a_file_that_scores_too_low_is_not_written(classifier, texts, tmp_path):
    def score(model):
        labels = model.predict(texts, verbose=0).argmax(axis=1)
        return 1.0 if model is classifier else float((labels == truth).mean()) - 0.5

    truth = classifier.predict(texts, verbose=0).argmax(axis=1)
    check = AccuracyCheck(score, name="accuracy", max_drop=0.1)
    with pytest.raises(AccuracyDropError, match=r"accuracy .* it is 0\.5000, and 1\.0000"):
        export_tflite(classifier, tmp_path / "m.tflite", seq_len=48, accuracy=check)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_stand_in_scores_as_the_model(backbone, tiny_tokenizer, shake, texts, tmp_path):
    """Every task's own methods run on the file; rows longer than it are cut to it."""
    seen = {}

    def check(name, ask):
        def score(model):
            seen.setdefault(name, []).append(ask(model))
            return 0.0

        return AccuracyCheck(score)

    def made(cls, *args, **kwargs):
        preprocessor = cls.preprocessor_cls(tiny_tokenizer, sequence_length=40)
        return shake(cls(backbone, *args, preprocessor=preprocessor, **kwargs))

    choices = {"text": texts, "choices": [["a", "the cat"], ["b", "c", "film"], ["end", "of"]]}
    asked = {
        "spans": (made(AlbertQuestionAnswering), lambda m: m.predict(QUESTIONS)["score"]),
        "choices": (made(AlbertMultipleChoice), lambda m: m.predict(choices)),
        "entities": (made(AlbertTokenClassifier, 5), lambda m: np.concatenate(m.predict([LONG]))),
        "masks": (made(AlbertMaskedLM), lambda m: np.concatenate(m.predict(["a [MASK] b"]))),
        "vectors": (made(AlbertTextEmbedder), lambda m: m.predict(texts)),
    }
    for name, (model, ask) in asked.items():
        path = tmp_path / f"{name}.tflite"
        export_tflite(model, path, "none", seq_len=40, accuracy=check(name, ask))
        np.testing.assert_allclose(*seen[name], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["text", "pair", "order", "vectors", "any size", "short", "as wide"]
)
def test_raw_text_goes_into_the_graph(
    kind, classifier, backbone, tiny_tokenizer, shake, texts, tmp_path
):
    """The check of the export runs the signature, and compares it with Keras on these texts."""
    odd = ["In 3, 14, or 1,000 dogs; £5 – ½ ﬁ Ünï", LONG, *texts]
    vectors = AlbertTextEmbedder.preprocessor_cls(tiny_tokenizer, sequence_length=40)
    # Without a projection nothing tells the loop over depths how wide its input is.
    config = backbone.albert_config
    config = dataclasses.replace(config, embedding_size=config.hidden_size)
    as_wide = AlbertTextClassifier(
        shake(AlbertBackbone(config)), 2, preprocessor=classifier.preprocessor
    )
    model, options = {
        "text": (classifier, {"texts": odd, "batch_size": 2}),
        "pair": (classifier, {"texts": (odd, odd[::-1]), "pair": True}),
        "order": (
            shake(AlbertPretrainer(backbone)),
            {"texts": (odd, odd[::-1]), "tokenizer": tiny_tokenizer},
        ),
        "vectors": (shake(AlbertTextEmbedder(backbone, vectors)), {"texts": odd}),
        "any size": (classifier, {"texts": odd, "batch_size": None, "seq_len": None}),
        "short": (classifier, {"texts": (odd, odd[::-1]), "pair": True, "seq_len": 16}),
        "as wide": (as_wide, {"texts": odd}),
    }[kind]
    path = tmp_path / "m.tflite"
    export_tflite(
        model, path, "none", verify=True, signatures=("tokens", "text"), **{"seq_len": 48} | options
    )
    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    custom = {code.customCode for code in content.operatorCodes if code.customCode}
    assert custom == {b"TFText>FastSentencepieceTokenize", b"RaggedTensorToTensor"}


def test_text_in_the_graph_is_for_tasks_without_places(backbone, tiny_tokenizer, tmp_path):
    preprocessor = AlbertTokenClassifier.preprocessor_cls(tiny_tokenizer, sequence_length=40)
    model = AlbertTokenClassifier(backbone, 3, preprocessor=preprocessor)
    with pytest.raises(ValueError, match="operators tell no places in a text"):
        export_tflite(model, tmp_path / "m.tflite", seq_len=40, signatures=("tokens", "text"))


def test_the_verb_predict_answers_with_a_file_and_no_tensorflow(classes_file):
    code = (
        "import sys; from albert_tf.cli import main; code = main(sys.argv[1:]); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    asked = ["predict", "--run", str(classes_file), "--text", "A dull story."]
    ran = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (answer,) = ask_file(classes_file, text=["A dull story."])
    assert f'label: "{answer["label"]}"' in ran.stdout
    refused = [sys.executable, "-c", code, *asked[:3], "--split", "test"]
    ran = subprocess.run(refused, capture_output=True, text=True)
    assert ran.returncode == 2 and "knows no data set" in ran.stderr
