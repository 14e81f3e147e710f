"""A model that writes texts, as an export: loop, cache and end of the answers inside the graph."""

import dataclasses
import threading

import keras_hub
import numpy as np
import pytest

from albert_tf import cli
from albert_tf.exporting.answers.base import AnswerOptions
from albert_tf.exporting.answers.written import WrittenAnswers
from albert_tf.exporting.fresh.session import answer, meta_graph, op_types
from albert_tf.exporting.saved_model import export_saved_model
from albert_tf.exporting.tflite import export_tflite
from albert_tf.exporting.verification import TEXT_OPS
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.seq2seq_lm import AlbertSeq2SeqLM

LONG = "Open the file and read every line of it, said (quietly) the cat, and 3 dogs did. " * 4
SOURCES = ["the cat", "a dull story that never finds its end", "", "Open the file.", LONG]


@pytest.fixture(scope="module")
def model(writer):
    return writer


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """The version directory; compared with `generate` before it appeared."""
    path = tmp_path_factory.mktemp("written") / "answers"
    return export_saved_model(model, path, texts=SOURCES)


def ask(directory, texts):
    feeds = {"text": np.array(texts, object)}
    return answer(directory, {"it": ("serving_default", feeds)})[0]["it"]


@pytest.mark.slow
def test_the_text_is_that_of_generate(model, written):
    got = ask(written, SOURCES)
    assert [text.decode() for text in got["answer"]] == model.generate(SOURCES)
    assert len(set(got["num_tokens"])) > 2, "the answers must not all be of one length"


@pytest.mark.slow
def test_more_rows_than_run_at_once_answer_as_few(written):
    # 32 at a time; none must see the others.
    got, few = ask(written, SOURCES * 9), ask(written, SOURCES)
    np.testing.assert_array_equal(got["answer_ids"], np.tile(few["answer_ids"], (9, 1)))
    np.testing.assert_allclose(got["score"], np.tile(few["score"], 9), rtol=1e-4)


@pytest.mark.slow
def test_weights_stand_in_the_file_once(tiny_config, model, tmp_path):
    # Large enough for its weights to outweigh the file's own table.
    config = dataclasses.replace(tiny_config, hidden_size=256, intermediate_size=1024)
    wider = AlbertSeq2SeqLM(AlbertBackbone(config), model.preprocessor, num_decoder_layers=2)
    path = export_saved_model(wider, tmp_path / "m", text=False, verify=False)
    size = sum(file.stat().st_size for file in (path / "variables").iterdir())
    assert size <= 1.05 * 4 * wider.count_params()


@pytest.mark.slow
def test_the_graph_is_one_that_a_server_runs(written):
    functions = meta_graph(written).graph_def.library.function
    assert not any(f.attr["_XlaMustCompile"].b for f in functions)
    assert str(written.parent).encode() not in (written / "saved_model.pb").read_bytes()
    # The loop over tokens stands in the file once, however many signatures call it.
    steps = [f for f in functions if any(n.op == "ArgMax" for n in f.node_def)]
    assert len(steps) == 1 and op_types(written) & {"While", "StatelessWhile"}


@pytest.mark.slow
def test_ids_alone_need_no_text_ops(model, tmp_path):
    path = export_saved_model(model, tmp_path / "m", text=False)
    assert not op_types(path) & TEXT_OPS
    outputs = meta_graph(path).signature_def["tokens"].outputs
    assert set(outputs) == {"answer_ids", "num_tokens", "score"}


@pytest.mark.slow
def test_the_server_answers_in_batches_as_alone(model, written, tmp_path):
    from albert_tf.serving.client import Client
    from albert_tf.serving.server import running_server

    parameters = tmp_path / "batching.txt"
    parameters.write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 50000 }")
    expected, got = model.generate(SOURCES), {}
    options = {"batching_parameters_file": parameters}
    server = running_server({"m": written.parent}, **options)
    with server as address, Client(address, timeout=300) as client:

        def work(text):
            (got[text],) = client.answer("m", text=[text])

        threads = [threading.Thread(target=work, args=(text,)) for text in SOURCES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [got[text]["answer"] for text in SOURCES] == expected
    assert set(got["the cat"]) == {"answer", "answer_ids", "score"}


@pytest.mark.slow
def test_the_verb_writes_beams_and_compares_them(model, tmp_path, capfd):
    model.save_to_preset(str(tmp_path / "preset"))
    (tmp_path / "texts.txt").write_text("\n".join(SOURCES), encoding="utf-8")
    flags = {"run": tmp_path / "preset", "out": tmp_path / "m", "texts": tmp_path / "texts.txt"}
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    code = cli.main(["export", *words, "--verify", "--num-beams", "2", "--max-length", "8"])
    assert code == 0, capfd.readouterr().err
    assert ask(tmp_path / "m" / "1", SOURCES)["answer_ids"].shape == (5, 7)


def test_answers_by_chance_are_refused(model):
    sampler = model.sampler
    model.set_sampler("top_p")
    try:
        with pytest.raises(ValueError, match=r"tokens by TopPSampler\. Choose num_beams"):
            WrittenAnswers(model)
        assert isinstance(
            WrittenAnswers(model, AnswerOptions(num_beams=1)).sampler,
            keras_hub.samplers.GreedySampler,
        )
    finally:
        model.set_sampler(sampler)


def test_without_a_preprocessor_nobody_knows_where_an_answer_ends(model, backbone, tmp_path):
    bare = AlbertSeq2SeqLM(backbone, num_decoder_layers=1)
    with pytest.raises(ValueError, match="this AlbertSeq2SeqLM has none"):
        export_saved_model(bare, tmp_path / "m")


@pytest.mark.parametrize("options", [{"max_length": 1}, {"max_length": 49}, {"num_beams": 0}])
def test_sizes_out_of_range_are_refused(model, options):
    with pytest.raises(ValueError, match="must lie between 2 and the 48|whole number from 1"):
        WrittenAnswers(model, AnswerOptions(**options))


def test_a_tflite_file_does_not_write(model, tmp_path):
    with pytest.raises(TypeError, match="does not write texts"):
        export_tflite(model, tmp_path / "m.tflite")
