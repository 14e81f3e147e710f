"""Which version answers, while directories come, go and break."""

import shutil
import time

import grpc
import pytest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

from albert_tf.serving.client import Client
from albert_tf.serving.errors import InvalidRequestError, NotFoundError, ServingError
from albert_tf.serving.server import ModelServer, running_server
from albert_tf.serving.versions import VersionPolicy, find_versions, model_config, wanted_versions


@pytest.fixture
def polled(base_path):
    """A client of a server that looks for versions twenty times a second."""
    with (
        running_server({"scale": base_path}, poll_seconds=0.05) as address,
        Client(address, timeout=10) as client,
    ):
        yield client


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def states(client):
    return {one.version: one.state for one in client.status("scale")}


def answer(client, **which):
    return client.predict("scale", {"x": [1.0]}, **which)["y"].tolist()


def test_a_new_version_takes_over_and_the_old_one_ends(polled, base_path, publish):
    assert answer(polled) == [2.0]
    publish(base_path, "00000012", factor=3)
    until(lambda: states(polled) == {12: "AVAILABLE", 1: "END"})
    assert answer(polled) == [3.0]
    with pytest.raises(NotFoundError, match=r"Specific\(scale, 1\)"):
        answer(polled, version=1)


def test_newest_version_is_listed_first(polled, base_path, publish):
    publish(base_path, 2, factor=3)
    until(lambda: [one.version for one in polled.status("scale")] == [2, 1])


def test_no_request_fails_while_versions_change(polled, base_path, publish):
    seen = set()
    for version in range(2, 6):
        publish(base_path, version, factor=3)
        while states(polled).get(version) != "AVAILABLE":
            seen.update(answer(polled))
    assert seen <= {2.0, 3.0}


def test_removing_the_newest_version_goes_back_to_the_one_before(polled, base_path, publish):
    newest = publish(base_path, 2, factor=3)
    until(lambda: answer(polled) == [3.0])
    shutil.rmtree(newest)
    until(lambda: answer(polled) == [2.0])


@pytest.mark.parametrize("damage", ["saved_model.pb", "variables/variables.index", "no file"])
def test_a_broken_version_leaves_the_old_one_serving(polled, base_path, exports, damage):
    if damage == "no file":
        (base_path / "2").mkdir()
    else:
        aside = base_path / "aside"
        shutil.copytree(exports[3], aside)
        (aside / damage).write_bytes((aside / damage).read_bytes()[:100])
        aside.rename(base_path / "2")
    until(lambda: states(polled).get(2) == "END")
    (broken,) = polled.status("scale", version=2)
    assert broken.error_code == {"no file": "NOT_FOUND"}.get(damage, "DATA_LOSS")
    assert broken.error_message
    assert answer(polled) == [2.0]


def test_a_version_that_was_still_being_copied_is_tried_again(polled, base_path, exports):
    (base_path / "2").mkdir()
    until(lambda: states(polled).get(2) == "END")
    shutil.copytree(exports[3], base_path / "2", dirs_exist_ok=True)
    until(lambda: answer(polled) == [3.0])


def test_a_base_path_that_is_away_for_a_moment_does_not_end_the_service(polled, base_path):
    base_path.rename(base_path.with_name("away"))
    time.sleep(0.2)
    assert answer(polled) == [2.0]


def test_only_names_that_are_numbers_are_versions(tmp_path):
    for name in ("7", "00000012", "abc", "v9", "1.5", "-3", ".tmp-4", "٣"):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file")
    assert set(find_versions("scale", tmp_path)) == {7, 12}


def test_policies_choose_among_the_versions():
    found = [1, 2, 7]
    assert wanted_versions(found, VersionPolicy()) == [7]
    assert wanted_versions(found, VersionPolicy(latest={"num_versions": 2})) == [7, 2]
    assert wanted_versions(found, VersionPolicy(all={})) == [7, 2, 1]
    assert wanted_versions(found, VersionPolicy(specific={"versions": [2, 9]})) == [2]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "There is no directory"),
        ("empty", "holds no directory whose name is a version number"),
        ("scale/1", "is itself a SavedModel: give its parent"),
    ],
)
def test_a_base_path_without_versions_stops_the_start(tmp_path, base_path, path, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match=message), running_server({"scale": tmp_path / path}):
        pass


def test_a_model_that_does_not_load_stops_the_start(base_path):
    (base_path / "2").mkdir()
    with pytest.raises(ServingError, match="Could not find SavedModel"):
        ModelServer({"scale": base_path}).start()


def test_several_models_are_served_side_by_side(base_path, tmp_path, publish):
    (tmp_path / "triple").mkdir()
    publish(tmp_path / "triple", 5, factor=3)
    models = {"scale": base_path, "triple": tmp_path / "triple"}
    with running_server(models) as address, Client(address) as client:
        values = [client.predict(name, {"x": [1.0]})["y"].tolist() for name in models]
    assert values == [[2.0], [3.0]]


@pytest.fixture
def reload_config(base_path):
    """Sends the configs as a new model list, and gives a client of the server."""
    with (
        ModelServer({"scale": base_path}, poll_seconds=None) as server,
        grpc.insecure_channel(server.address) as channel,
        Client(server.address) as client,
    ):

        def send(*configs):
            request = ReloadConfigRequest()
            request.config.model_config_list.config.extend(configs)
            return ModelServiceStub(channel).HandleReloadConfigRequest(request, timeout=20)

        yield send, client


def test_reload_adds_and_removes_models(reload_config, base_path):
    send, client = reload_config
    send(model_config("renamed", base_path))
    assert client.predict("renamed", {"x": [1.0]})["y"].tolist() == [2.0]
    with pytest.raises(NotFoundError):
        answer(client)


def test_reload_gives_versions_policies_and_labels(reload_config, base_path, publish):
    send, client = reload_config
    publish(base_path, 2, factor=3)
    config = model_config("scale", base_path)
    config.model_version_policy.all.SetInParent()
    config.version_labels["stable"] = 1
    config.version_labels["canary"] = 2
    send(config)
    assert states(client) == {2: "AVAILABLE", 1: "AVAILABLE"}
    assert [answer(client, label=label) for label in ("stable", "canary")] == [[2.0], [3.0]]
    assert answer(client) == [3.0]


def test_a_wrong_reload_changes_nothing(reload_config, base_path, tmp_path):
    send, client = reload_config
    good = model_config("scale", base_path)
    labelled = model_config("scale", base_path)
    labelled.version_labels["stable"] = 9
    lists = {
        grpc.StatusCode.INVALID_ARGUMENT: [good, good],
        grpc.StatusCode.NOT_FOUND: [model_config("other", tmp_path / "nowhere")],
        grpc.StatusCode.FAILED_PRECONDITION: [labelled],
    }
    for code, configs in lists.items():
        with pytest.raises(grpc.RpcError) as caught:
            send(*configs)
        assert caught.value.code() == code
    assert answer(client) == [2.0]
    with pytest.raises(InvalidRequestError):
        answer(client, label="stable")
