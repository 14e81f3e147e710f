"""What a server holds after large texts."""

import sys
import weakref

import pytest

from albert_tf.serving import memory
from albert_tf.serving.loading import Loader
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.memory import give_large_blocks_back
from albert_tf.serving.model_states import Model
from albert_tf.serving.versions import model_config

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's call")


@needs_linux
def test_large_blocks_go_back():
    assert give_large_blocks_back()


@needs_linux
def test_an_operator_who_set_the_allocator_is_not_overruled(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1000000")
    assert not give_large_blocks_back()


def test_graphs_that_refer_to_themselves_are_freed_in_time(monkeypatch):
    class Graph:
        pass

    with memory.graphs_collected() as collect:
        graph = Graph()
        graph.itself, is_there = graph, weakref.ref(graph)
        del graph
        monkeypatch.setattr(memory.time, "monotonic", lambda: float("inf"))
        collect()
    assert is_there() is None


def test_an_error_of_a_version_keeps_nothing_of_its_graph(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no model")
    manager, model = ModelManager(None, Loader()), Model(model_config("m", tmp_path))
    manager._load(model, 1, tmp_path / "1")
    error = model.versions[1].error
    assert error.code.name == "DATA_LOSS"
    assert (error.__cause__, error.__context__, error.__traceback__) == (None, None, None)
    manager.close()
