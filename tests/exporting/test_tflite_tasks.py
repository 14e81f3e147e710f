"""TFLite files of all tasks, in a process with the light runtime alone, against Keras."""

import itertools

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema

from albert_tf.config import AlbertConfig
from albert_tf.exporting import tflite
from albert_tf.exporting.mobile.conversion import QUANTIZATIONS
from albert_tf.exporting.tflite import export_tflite
from albert_tf.exporting.verification import ExportMismatchError
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.multiple_choice import AlbertMultipleChoice
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor
from albert_tf.tasks.text_embedder import AlbertTextEmbedder
from albert_tf.tasks.token_classifier import AlbertTokenClassifier
from albert_tf.tokenizer import AlbertTokenizer
from tests.tokenizer_cases import with_pieces

pytestmark = pytest.mark.slow

# Large enough for its weights to outweigh the graph, and deep enough for a copied block to show.
CONFIG = AlbertConfig(
    vocab_size=88,
    embedding_size=128,
    hidden_size=384,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=1536,
    max_position_embeddings=48,
)
WIDE = AlbertConfig(
    vocab_size=24_000,
    embedding_size=64,
    hidden_size=192,
    num_hidden_layers=4,
    num_attention_heads=3,
    intermediate_size=768,
    max_position_embeddings=48,
)
IDS = ["input_length", "segment_ids", "token_ids"]
BEAMS = ["start_log_probs", "start_index", "end_log_probs", "end_index", "impossible_logits"]
SENTENCES = ("A sorted list answers in time.", "What a wonderful film, of 3 dogs!", "She said so.")
# Task -> its inputs beside IDS, and its answers, as documented.
SIGNATURES = {
    "classes": ([], ["logits", "probabilities"]),
    "regression": ([], ["score"]),
    "spans": ([], ["start_logits", "end_logits"]),
    "beams": ([], BEAMS),
    "choices": ([], ["logits", "probabilities", "index"]),
    "entities": ([], ["logits", "probabilities"]),
    "masks": (["mask_positions"], ["logits"]),
    "vectors": ([], ["embedding"]),
    "order": (["mask_positions"], ["mlm_logits", "sop_logits"]),
    "backbone": ([], ["sequence_output", "pooled_output"]),
}
NUM_BYTES = {"none": 4, "float16": 2, "dynamic": 1, "int8": 1}


@pytest.fixture(scope="module")
def models(as_trained):
    backbone = as_trained(AlbertBackbone(WIDE))
    return {
        "classes": AlbertTextClassifier(backbone, 3),
        "regression": AlbertTextClassifier(backbone, 1),
        "spans": AlbertQuestionAnswering(backbone),
        "beams": AlbertQuestionAnswering(backbone, head="conditional"),
        "choices": AlbertMultipleChoice(backbone),
        "entities": AlbertTokenClassifier(backbone, 5),
        "masks": AlbertMaskedLM(backbone),
        "vectors": AlbertTextEmbedder(backbone),
        "order": AlbertPretrainer(backbone),
        "backbone": backbone,
    }


@pytest.fixture(scope="module", params=itertools.product(SIGNATURES, ["none", "dynamic"]), ids=str)
def written(request, models, tmp_path_factory):
    """Each file was compared with Keras, in the light runtime, as it was written."""
    task, quantization = request.param
    path = tmp_path_factory.mktemp("tflite") / f"{task}.tflite"
    sizes = {"seq_len": 32, "num_choices": 2}
    export_tflite(models[task], path, quantization, **sizes, metadata=False, verify=True)
    return task, quantization, path


def test_a_file_holds_each_weight_once(written, models):
    task, quantization, path = written
    weights = models[task].count_params() * NUM_BYTES[quantization]
    # A second copy of the shared block would add 0.2, one of the table of pieces 0.7.
    assert 0.95 < path.stat().st_size / weights < 1.03


def test_all_operators_are_built_in(written):
    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(written[2].read_bytes(), 0))
    assert [code.customCode for code in content.operatorCodes if code.customCode] == []


def test_the_names_are_those_of_the_document(written):
    task, _, path = written
    more, answers = SIGNATURES[task]
    signature = Interpreter(model_path=str(path)).get_signature_list()["tokens"]
    assert sorted(signature["inputs"]) == sorted(IDS + more)
    assert sorted(signature["outputs"]) == sorted(answers)


def test_sizes_are_fixed_where_they_are_given(written):
    task, _, path = written
    runner = Interpreter(model_path=str(path)).get_signature_runner("tokens")
    shape = runner.get_input_details()["token_ids"]["shape"].tolist()
    assert shape == ([1, 2, 32] if task == "choices" else [1, 32])


@pytest.mark.parametrize("quantization", ["none", "float16", "dynamic"])
def test_an_unrolled_file_holds_each_weight_once(models, quantization, tmp_path):
    path = tmp_path / "m.tflite"
    export_tflite(models["classes"], path, quantization, seq_len=32, rolled=False, verify=True)
    weights = models["classes"].count_params() * NUM_BYTES[quantization]
    # Norms, biases and scales are as many as in a large file; the weights of query, key and value
    # once more would add 0.06.
    assert path.stat().st_size < 1.05 * weights


@pytest.mark.parametrize("quantization", ["none", "dynamic"])
def test_two_signatures_share_one_copy_of_the_weights(models, quantization, tmp_path):
    path = tmp_path / "m.tflite"
    export_tflite(
        models["masks"],
        path,
        quantization,
        seq_len=32,
        signatures=("tokens", "features"),
        verify=True,
    )
    weights = models["masks"].count_params() * NUM_BYTES[quantization]
    assert path.stat().st_size < 1.06 * weights
    assert set(Interpreter(model_path=str(path)).get_signature_list()) == {"tokens", "features"}


@pytest.fixture(scope="module")
def reader(tiny_tokenizer, as_trained):
    preprocessor = AlbertTextClassifierPreprocessor(tiny_tokenizer, sequence_length=48)
    return as_trained(AlbertTextClassifier(AlbertBackbone(CONFIG), 3, preprocessor=preprocessor))


@pytest.fixture(scope="module")
def lines():
    words = [word.strip(".,!?()") for text in SENTENCES for word in text.split()]
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(words, size)) for size in rng.integers(3, 20, 24)]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_real_text_passes_the_check(reader, lines, quantization, tmp_path):
    path = tmp_path / "m.tflite"
    options = {"texts": lines, "metadata": False, "verify": True}
    export_tflite(reader, path, quantization, seq_len=32, **options)
    # So small a model has much beside its matrices: 32-bit biases, and scales. The weights of
    # query, key and value once more would add 0.22.
    limit = {"none": 1.05, "float16": 1.05, "dynamic": 1.10, "int8": 1.10}[quantization]
    assert path.stat().st_size < limit * NUM_BYTES[quantization] * reader.count_params()


def test_a_full_integer_file_of_base_is_within_3_percent_of_its_weights(
    tiny_proto, as_trained, lines, tmp_path
):
    config = AlbertConfig.from_preset("base")
    made_up = [f"made{number}" for number in range(config.vocab_size - 88)]
    tokenizer = AlbertTokenizer(proto=with_pieces(tiny_proto, *made_up))
    preprocessor = AlbertTextClassifierPreprocessor(tokenizer, sequence_length=32)
    model = as_trained(AlbertTextClassifier(AlbertBackbone(config), 2, preprocessor=preprocessor))
    path = tmp_path / "m.tflite"
    export_tflite(model, path, "int8", seq_len=32, texts=lines, metadata=False, verify=True)
    # Biases for each of the 12 steps would add 0.1, their zero points alone 0.06.
    assert path.stat().st_size < 1.03 * model.count_params()


def test_any_length_and_any_batch_pass_the_check(reader, lines, tmp_path):
    path = tmp_path / "m.tflite"
    export_tflite(reader, path, "none", seq_len=None, batch_size=None, texts=lines[:3], verify=True)
    assert path.exists()


def test_a_file_that_says_something_else_is_not_written(reader, lines, tmp_path, monkeypatch):
    def spoilt(model, dtype):
        copy = tflite_copy(model, dtype)
        copy.head.projection.bias.assign([1.0, 2.0, 3.0])
        return copy

    tflite_copy = tflite.copy_in
    monkeypatch.setattr(tflite, "copy_in", spoilt)
    with pytest.raises(ExportMismatchError, match="The signature tokens, row 0"):
        export_tflite(reader, tmp_path / "m.tflite", seq_len=32, texts=lines, verify=True)
    assert list(tmp_path.iterdir()) == []
