"""What is loaded is freed, and not before its requests are answered."""

import threading

import pytest
from tensorflow_serving.apis.model_pb2 import ModelSpec

from albert_tf.serving.errors import NotFoundError, ServingError
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.versions import model_config

SPEC = ModelSpec(name="scale")


@pytest.fixture
def manager(base_path):
    started = ModelManager(poll_seconds=None)
    started.start([model_config("scale", base_path)])
    yield started
    started.close()


def run(servable):
    return servable.run({}, [servable.signatures["serving_default"].outputs["y"].name])


def test_a_model_that_is_served_no_more_is_freed(manager):
    with manager.lease(SPEC) as servable:
        pass
    manager.configure([])
    with pytest.raises(NotFoundError), manager.lease(SPEC):
        pass
    with pytest.raises(ServingError, match="Session has been closed"):
        run(servable)


def test_a_version_in_use_is_freed_when_its_last_request_ends(manager):
    with manager.lease(SPEC) as servable:
        closing = threading.Thread(target=manager.configure, args=([],))
        closing.start()
        closing.join(timeout=0.2)
        assert closing.is_alive()
        with pytest.raises(ServingError, match="You must feed a value"):
            run(servable)
    closing.join(timeout=10)
    assert not closing.is_alive()


def test_a_failed_request_counts_as_ended(manager):
    with pytest.raises(ZeroDivisionError), manager.lease(SPEC):
        raise ZeroDivisionError
    closing = threading.Thread(target=manager.configure, args=([],), daemon=True)
    closing.start()
    closing.join(timeout=10)
    assert not closing.is_alive()


def test_closing_twice_is_harmless(manager):
    manager.close()
