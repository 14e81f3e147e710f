"""TFLite files whose loop ends when the answer is found, against Keras."""

import numpy as np
import pytest

from albert_tf.exporting.light.model_file import LightModel
from albert_tf.exporting.mobile.accuracy import AccuracyCheck
from albert_tf.exporting.tflite import export_tflite
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor


@pytest.fixture(scope="module")
def make(backbone, tiny_tokenizer, shake, texts):
    def make(num_classes, patience):
        preprocessor = AlbertTextClassifierPreprocessor(tiny_tokenizer, sequence_length=48)
        model = AlbertEarlyExitClassifier(backbone, num_classes, preprocessor, patience=patience)
        for head in model.heads:
            shake(head)
        # Centred, so that depths disagree.
        logits = model(preprocessor(texts), training=False).numpy()
        for head, mean in zip(model.heads, logits.mean(axis=0), strict=True):
            head.projection.bias.assign(head.projection.bias - mean)
        steps = np.diff(logits - logits.mean(axis=0), axis=1)
        model.tolerance = 1.1 * float(np.median(np.abs(steps[:, 0])))
        return model

    return make


@pytest.mark.parametrize(
    ("num_classes", "batch_size"), [(2, 1), pytest.param(1, 3, marks=pytest.mark.slow)]
)
def test_rows_leave_where_keras_lets_them(make, texts, num_classes, batch_size, tmp_path):
    model = make(num_classes, patience=1)
    path = tmp_path / "m.tflite"
    many = [*texts, *(f"{a} {b}" for a in texts for b in texts)]
    export_tflite(model, path, "none", 48, batch_size)
    logits, depths = model.predict_with_depths(many)
    answers = LightModel(path).answer(text=many)
    assert [answer["depth"] for answer in answers] == depths.tolist()
    assert len(set(depths.tolist())) > 1
    name = "score" if num_classes == 1 else "label"
    expected = logits[:, 0] if num_classes == 1 else [str(i) for i in logits.argmax(axis=1)]
    got = [answer[name] for answer in answers]
    if num_classes == 1:
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    else:
        assert got == expected


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["none", "float16", "dynamic"])
def test_a_file_passes_the_check(make, texts, quantization, tmp_path):
    path = tmp_path / "m.tflite"
    export_tflite(make(3, 1), path, quantization, 48, texts=texts, verify=True)
    assert path.exists()


@pytest.mark.slow
def test_a_file_is_scored_as_the_model(make, texts, tmp_path):
    found = []

    def score(model):
        found.append(model.predict(texts))
        return 0.0

    path = tmp_path / "m.tflite"
    export_tflite(make(3, 1), path, "none", 48, accuracy=AccuracyCheck(score))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("patience", "options", "message"),
    [
        (None, {}, "needs patience: got None"),
        (1, {"rolled": False}, "Early exit is a loop that ends early"),
        (1, {"signatures": ("tokens", "features")}, "Early exit is a loop that ends early"),
    ],
)
def test_what_has_no_early_exit_is_refused(make, patience, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_tflite(make(2, patience), tmp_path / "m.tflite", seq_len=48, **options)
