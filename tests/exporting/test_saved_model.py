"""What stands in the files of a SavedModel, and what is refused."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from albert_tf.exporting import saved_model
from albert_tf.exporting.fresh.session import op_types
from albert_tf.exporting.precision import copy_in
from albert_tf.exporting.saved_model import export_saved_model
from albert_tf.exporting.verification import TEXT_OPS, ExportMismatchError, verify_saved_model
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.text_classifier import AlbertTextClassifier


def graph_of(directory):
    saved = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


def nodes_of(directory):
    graph = graph_of(directory).graph_def
    return [*graph.node, *(node for f in graph.library.function for node in f.node_def)]


def size_of_variables(directory):
    return sum(path.stat().st_size for path in (directory / "variables").iterdir())


@pytest.fixture(scope="module")
def wider(tiny_config):
    """Large enough for its weights to outweigh the file's own table."""
    config = dataclasses.replace(tiny_config, hidden_size=96, vocab_size=20_000)
    return AlbertTextClassifier(AlbertBackbone(config), 2)


@pytest.mark.parametrize(("dtype", "num_bytes"), [("float32", 4), ("bfloat16", 2)])
def test_weights_stand_in_the_file_once(wider, dtype, num_bytes, tmp_path):
    path = export_saved_model(wider, tmp_path / "m", dtype=dtype, verify=False)
    assert size_of_variables(path) <= 1.05 * num_bytes * wider.count_params()


def test_every_variable_is_a_weight(exported, classifier):
    handles = [node for node in nodes_of(exported) if node.op == "VarHandleOp"]
    assert len(handles) == len(classifier.weights)


def test_nothing_of_training_is_left(exported, classifier):
    assert classifier.backbone.albert_config.hidden_dropout_prob > 0
    training = [node.op for node in nodes_of(exported) if "Random" in node.op or "Grad" in node.op]
    assert training == []


def test_nothing_asks_for_xla(exported):
    # TF Serving switches XLA off, and then refuses to run such a function.
    functions = graph_of(exported).graph_def.library.function
    compiled = [f for f in functions if f.attr["_XlaMustCompile"].b]
    assert compiled == []


def test_no_path_of_this_machine_is_left(exported):
    content = (exported / "saved_model.pb").read_bytes()
    for path in (exported.parent, saved_model.__file__, tf.__file__):
        assert str(path).encode() not in content


def test_the_shared_block_is_in_the_graph_once(exported):
    # Three layers, four matrices each and two for attention, and five products outside of them.
    products = [node for node in nodes_of(exported) if "MatMul" in node.op]
    assert len(products) == 3 * (4 + 2) + 3


def test_methods_are_named_as_a_strict_server_wants_them(exported):
    methods = {k: v.method_name for k, v in graph_of(exported).signature_def.items()}
    assert methods["classify"] == "tensorflow/serving/classify"
    assert methods["serving_default"] == methods["tokens"] == "tensorflow/serving/predict"


def test_the_vocabulary_lies_beside_the_graph(exported, classifier):
    files = [path.read_bytes() for path in (exported / "assets").iterdir()]
    assert files == [classifier.preprocessor.tokenizer.proto]


def test_python_can_load_it_too(exported, classifier, texts):
    loaded = tf.saved_model.load(str(exported))
    got = loaded.signatures["serving_default"](text=tf.constant(texts))
    np.testing.assert_allclose(got["logits"], classifier.predict(texts, verbose=0), atol=1e-5)


def test_warmup_requests_call_every_signature(exported):
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    called = {}
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = PredictionLog.FromString(record)
        request = getattr(log, log.WhichOneof("log_type")).request
        called[request.model_spec.signature_name] = request
    assert set(called) == {"serving_default", "tokens", "examples", "classify"}
    assert set(called["tokens"].inputs) == {"token_ids", "segment_ids", "input_length"}
    example = called["classify"].input.example_list.examples[0]
    assert list(example.features.feature) == ["text"]


@pytest.mark.parametrize("task", [AlbertPretrainer, None])
def test_other_models_answer_to_ids(task, backbone, tmp_path):
    # The export compares the answers with `predict`; here is left which there are.
    path = export_saved_model(task(backbone) if task else backbone, tmp_path / "m")
    assert set(graph_of(path).signature_def) - {"__saved_model_init_op"} == {"tokens"}
    outputs = {"mlm_logits", "sop_logits"} if task else {"sequence_output", "pooled_output"}
    assert set(graph_of(path).signature_def["tokens"].outputs) == outputs


def test_ids_alone_need_no_text_ops(classifier, tmp_path):
    path = export_saved_model(classifier, tmp_path / "m", text=False)
    assert set(graph_of(path).signature_def) - {"__saved_model_init_op"} == {"tokens"}
    assert not op_types(path) & TEXT_OPS
    assert list((path / "assets").iterdir()) == []


@pytest.mark.slow
def test_bfloat16_answers_like_float32_to_a_few_percent(classifier, texts, tmp_path):
    # 8 bits of precision: visible, and within the limit of the check that an export runs.
    path = export_saved_model(classifier, tmp_path / "m", dtype="bfloat16", verify=False)
    difference = verify_saved_model(classifier, path, texts)["serving_default"]
    assert 1e-4 < difference < 5e-2


def test_low_rank_updates_are_merged(make_classifier, shake, tmp_path):
    model = copy_in(make_classifier(2, preprocessor=None), "float32")
    plain = len(model.weights)
    model.backbone.encoder.attentions[0].query.enable_lora(2)
    shake(model)
    path = export_saved_model(model, tmp_path / "m")
    assert len([node for node in nodes_of(path) if node.op == "VarHandleOp"]) == plain


def test_a_model_that_was_trained_is_copied_without_a_warning(make_classifier):
    model = make_classifier(2, preprocessor=None)
    model.optimizer.build(model.trainable_variables)  # as `fit` does
    copied = copy_in(model, "float32").get_weights()
    assert all(map(np.array_equal, copied, model.get_weights()))


def test_versions_count_up(make_classifier, tmp_path):
    model = make_classifier(2, preprocessor=None)
    (tmp_path / "m" / "0007").mkdir(parents=True)
    assert export_saved_model(model, tmp_path / "m", verify=False) == tmp_path / "m" / "8"
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["0007", "8"]


def test_a_version_is_never_overwritten(classifier, exported):
    with pytest.raises(FileExistsError, match="holds 1 already.*the next, 2"):
        export_saved_model(classifier, exported.parent, version=1)


@pytest.mark.parametrize("version", [0, -1, "2", 1.0, True])
def test_a_version_is_a_whole_number_from_one(classifier, tmp_path, version):
    with pytest.raises(ValueError, match="whole number from 1"):
        export_saved_model(classifier, tmp_path / "m", version=version)
    assert not (tmp_path / "m").exists()


def test_a_file_is_no_directory_of_versions(classifier, tmp_path):
    (tmp_path / "m").write_text("taken")
    with pytest.raises(FileExistsError, match="is a file"):
        export_saved_model(classifier, tmp_path / "m")


@pytest.mark.slow
def test_what_answers_otherwise_is_not_published(classifier, shake, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "copy_in", lambda model, dtype: shake(copy_in(model, dtype)))
    with pytest.raises(ExportMismatchError, match="The signature tokens .* must answer"):
        export_saved_model(classifier, tmp_path / "m")
    assert list((tmp_path / "m").iterdir()) == []


@pytest.mark.slow
def test_the_check_notices_another_model(exported, make_classifier):
    other = make_classifier(3, class_names=["dull", "light", "other"])
    with pytest.raises(ExportMismatchError):
        verify_saved_model(other, exported)


def test_the_check_needs_a_saved_model(classifier, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold saved_model\.pb"):
        verify_saved_model(classifier, tmp_path)


def test_a_strange_model_is_refused_by_name(tmp_path):
    with pytest.raises(TypeError, match="AlbertTextClassifier, .*: got dict"):
        export_saved_model({}, tmp_path / "m")


def test_pairs_need_text(make_classifier, tmp_path):
    with pytest.raises(ValueError, match="pair=True needs a classifier that takes text"):
        export_saved_model(make_classifier(2, preprocessor=None), tmp_path / "m", pair=True)


def test_texts_must_be_as_many_as_the_model_takes(classifier, texts, tmp_path):
    with pytest.raises(ValueError, match=r"1 list\(s\) of strings"):
        export_saved_model(classifier, tmp_path / "m", texts=(texts, texts))


def test_a_single_text_is_not_taken_for_a_list_of_letters(classifier, tmp_path):
    with pytest.raises(ValueError, match="must be lists: got a single text for text, 'a film'"):
        export_saved_model(classifier, tmp_path / "m", texts="a film")
    assert not (tmp_path / "m").exists()


def test_an_unknown_dtype_is_refused(classifier, tmp_path):
    with pytest.raises(ValueError, match="float32, bfloat16: got 'float8'"):
        export_saved_model(classifier, tmp_path / "m", dtype="float8")


def test_a_quantized_model_is_refused(tiny_config, tmp_path):
    model = AlbertBackbone(tiny_config)
    model.encoder.attentions[0].query.quantize("int8")
    with pytest.raises(ValueError, match="starts from a float model"):
        export_saved_model(model, tmp_path / "m")
