"""The files of `export/` are what their readers take, and the clients there work."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from albert_tf.serving.server import ModelServer

FOLDER = Path(__file__).parents[2] / "export"


class Opinion(tf.Module):
    """Calls a text long or short, with the inputs and outputs of our exports."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def answer(self, text):
        is_long = tf.strings.length(text) > 12
        label = tf.where(is_long, "long", "short")
        return {"label": label, "probabilities": tf.one_hot(tf.cast(is_long, tf.int32), 2)}


@pytest.fixture(scope="module")
def opinion_server(tmp_path_factory):
    base_path = tmp_path_factory.mktemp("albert")
    module = Opinion()
    tf.saved_model.save(module, str(base_path / "1"), {"serving_default": module.answer})
    with ModelServer({"albert": base_path}, rest_port=0, poll_seconds=None) as server:
        yield server


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def test_model_list_is_one():
    config = text_format.Parse(read("models.config"), ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("albert", "/models/albert")


def test_batch_sizes_rise_to_the_largest_batch():
    text = re.sub("#.*", "", read("batching_parameters.txt"))
    largest = int(re.search(r"max_batch_size \{ value: (\d+) \}", text)[1])
    sizes = [int(size) for size in re.findall(r"allowed_batch_sizes: (\d+)", text)]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == largest


def test_compose_file_mounts_what_its_flags_and_the_model_list_name():
    text = read("compose.yaml")
    mounts = dict(re.findall(r"- (\S+?):(/\S+):ro", text))
    named = set(re.findall(r"_file=(\S+)", text)) | {"/models/albert"}
    assert set(mounts.values()) == named
    assert all((FOLDER / path).is_file() for path in mounts if path.startswith("./"))
    assert re.findall(r'"(\S+):\d+:\d+"', text) == ["127.0.0.1", "127.0.0.1"]


def test_python_client_prints_every_answer(opinion_server, capsys):
    spec = importlib.util.spec_from_file_location("predict", FOLDER / "predict.py")
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    client.main(["A fine day.", "Too long by half.", "--address", opinion_server.address])
    printed = capsys.readouterr().out
    assert printed.split("Too long by half.")[0].startswith("A fine day.\n")
    assert "label: short" in printed.split("Too long by half.")[0]
    assert "label: long" in printed.split("Too long by half.")[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_client_is_answered(opinion_server):
    run = subprocess.run(
        ["sh", str(FOLDER / "predict.sh"), opinion_server.rest_address],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
    words = ('"AVAILABLE"', '"predictions"', '"outputs"', '"short"', '"long"')
    assert all(word in run.stdout for word in words), run.stdout


def test_files_that_the_readme_names_are_there():
    assert set(re.findall(r"^\| `(\S+)` \|.*", read("README.md").split("##")[0], re.M)) == {
        path.name for path in FOLDER.iterdir() if path.is_file() and path.name != "README.md"
    }
