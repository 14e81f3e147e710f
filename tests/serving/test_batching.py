"""Requests that run together are answered as if each had run alone."""

import threading
import time

import numpy as np
import pytest
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from albert_tf.serving.batched_servable import BatchedServable
from albert_tf.serving.batching import BatchThreads, Task, companions
from albert_tf.serving.batching_options import BatchingOptions, read_batching_options
from albert_tf.serving.errors import InvalidRequestError, ServingError, invalid_argument
from albert_tf.serving.merging import merge, row_length


def signature(*inputs):
    definition = SignatureDef()
    for name in inputs:
        definition.inputs[name].name = name
    return definition


class Doubler:
    """Stands in for a servable: doubles `x`, and keeps what it was given.

    `gate` holds it back; numbers below zero make it fail.
    """

    name, version = "double", 1

    def __init__(self):
        self.signatures = {"serving_default": signature("x"), "two": signature("x", "z")}
        self.runs = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, feeds, fetches, timeout=None, is_wanted=None):
        self.runs.append(feeds["x"].tolist())
        assert self.gate.wait(10)
        if any(np.ravel(feeds["x"]) < 0):
            raise invalid_argument(f"{feeds['x'].min()} is below zero")
        return {name: 2 * feeds["x"] if name == "y" else feeds["x"].sum() for name in fetches}

    def close(self):
        pass


class Batched:
    """A batched `Doubler`, whose one thread is busy inside the block of `busy`."""

    def __init__(self, **options):
        self.doubler = Doubler()
        self.threads = BatchThreads(1)
        options = BatchingOptions(**options)
        self.servable = BatchedServable(self.doubler, options, self.threads)

    def ask(self, x, *fetches, **kwargs):
        return self.servable.run({"x": np.asarray(x, np.float32)}, fetches or ("y",), **kwargs)

    def ask_all(self, requests, **kwargs):
        """Asks while the thread is busy, so that all requests wait together."""
        answers = [None] * len(requests)

        def ask(number):
            try:
                answers[number] = self.ask(requests[number], **kwargs)["y"].tolist()
            except ServingError as error:
                answers[number] = error

        self.doubler.gate.clear()
        threads = [threading.Thread(target=self.ask, args=([0.0],))]
        threads[0].start()
        wait_until(lambda: self.doubler.runs)
        for number in range(len(requests)):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
            waiting = sum(map(len, requests[: number + 1]))
            wait_until(lambda rows=waiting, n=number: self.num_waiting() == rows or answers[n])
        self.doubler.gate.set()
        for thread in threads:
            thread.join()
        del self.doubler.runs[0]
        return answers

    def num_waiting(self):
        return self.servable._queues[frozenset({"x"})].num_rows


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert condition()


@pytest.fixture
def batched():
    made = []

    def make(**options):
        made.append(Batched(**options))
        return made[-1]

    yield make
    for one in made:
        one.threads.close()


def test_requests_that_wait_together_run_together(batched):
    server = batched(max_batch_size=4)
    assert server.ask_all([[1], [2, 3], [4]]) == [[2], [4, 6], [8]]
    assert [sorted(run) for run in server.doubler.runs] == [[1, 2, 3, 4]]


def test_a_batch_has_at_most_so_many_rows(batched):
    server = batched(max_batch_size=3)
    assert server.ask_all([[1, 1], [2, 2], [3]]) == [[2, 2], [4, 4], [6]]
    assert sorted(map(len, server.doubler.runs)) == [2, 3]


def test_a_request_waits_for_company_no_longer_than_told(batched):
    server = batched(max_batch_size=4, batch_timeout_micros=50_000)
    started = time.monotonic()
    assert server.ask([1])["y"].tolist() == [2]
    assert 0.05 <= time.monotonic() - started < 5


def test_a_full_batch_does_not_wait(batched):
    server = batched(max_batch_size=2, batch_timeout_micros=60_000_000)
    assert server.ask([1, 2])["y"].tolist() == [2, 4]


def test_a_batch_is_filled_up_to_an_allowed_size(batched):
    server = batched(max_batch_size=4, allowed_batch_sizes=(2, 4))
    assert server.ask([1, 2, 3])["y"].tolist() == [2, 4, 6]
    assert server.doubler.runs == [[1, 2, 3, 1]]


def test_a_bad_request_does_not_spoil_its_companions(batched):
    server = batched(max_batch_size=4)
    first, bad, last = server.ask_all([[1], [-2], [3]])
    assert (first, last) == ([2], [6])
    assert isinstance(bad, InvalidRequestError)
    assert str(bad).endswith("-2.0 is below zero")


def test_other_types_and_shapes_run_in_other_batches(batched):
    server = batched(max_batch_size=8)
    assert server.ask_all([[[1]], [2], [[3]]]) == [[[2]], [4], [[6]]]
    assert sorted(map(np.ndim, server.doubler.runs)) == [1, 2]


def test_rows_of_other_length_are_padded_where_it_is_asked_for(batched):
    server = batched(max_batch_size=8, pad_variable_length_inputs=True)
    answers = server.ask_all([[[1, 2, 3]], [[4, 5]]])
    assert answers == [[[2, 4, 6]], [[8, 10, 8]]]
    assert server.doubler.runs == [[[1, 2, 3], [4, 5, 4]]]


def test_a_full_queue_refuses(batched):
    server = batched(max_batch_size=2, max_enqueued_batches=1)
    *answers, refused = server.ask_all([[1], [2], [3]])
    assert answers == [[2], [4]]
    assert str(refused) == (
        "UNAVAILABLE: The batch scheduling queue to which this task was submitted is full; "
        "currently 1 batches enqueued and max_enqueued_batches is 1"
    )


def test_a_request_larger_than_a_batch_is_refused(batched):
    with pytest.raises(InvalidRequestError, match="Task size 9 is larger than maximum input batch"):
        batched(max_batch_size=8).ask(range(9))


def test_a_large_request_is_split_where_that_is_allowed(batched):
    server = batched(
        max_batch_size=8, enable_large_batch_splitting=True, max_execution_batch_size=3
    )
    assert server.ask(range(8))["y"].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert [len(run) for run in server.doubler.runs] == [3, 3, 2]


def test_inputs_and_outputs_need_rows(batched):
    server = batched()
    with pytest.raises(InvalidRequestError, match="must have at least one dimension"):
        server.ask(1.0)
    with pytest.raises(InvalidRequestError, match="Batched output tensor has 0 dimensions"):
        server.ask([1.0], "sum")
    with pytest.raises(InvalidRequestError, match="must have equal 0th-dimension size"):
        server.servable.run({"x": np.ones(1), "z": np.ones(2)}, ["y"])


def test_an_empty_request_runs_alone(batched):
    assert batched().ask([])["y"].tolist() == []


def test_a_request_whose_time_is_up_in_the_queue_is_not_run(batched):
    server = batched(max_batch_size=1)
    server.doubler.gate.clear()
    busy = threading.Thread(target=server.ask, args=([0.0],))
    busy.start()
    wait_until(lambda: server.doubler.runs)
    with pytest.raises(ServingError) as caught:
        server.ask([1.0], timeout=0.05)
    server.doubler.gate.set()
    busy.join()
    wait_until(lambda: server.num_waiting() == 0)
    assert str(caught.value) == (
        "RESOURCE_EXHAUSTED: Run() timeout exceeded while waiting in batching queue"
    )
    assert server.doubler.runs == [[0.0]]


def test_a_request_whose_client_has_gone_is_not_run(batched):
    server = batched()
    with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED"):
        server.ask([1.0], is_wanted=lambda: False)
    assert server.doubler.runs == []


def task(length, num_rows=1):
    return Task({}, num_rows, (), length)


def test_the_oldest_request_goes_with_those_of_its_length():
    waiting = [task(300), task(20), task(290), task(1000), task(310), task(25)]
    assert [one.row_length for one in companions(waiting, 8)] == [300, 290, 310]
    assert [one.row_length for one in companions(waiting[1:], 2)] == [20, 25]


def test_length_is_the_text_of_the_longest_row():
    feeds = {"text": np.array([b"ab", b"abcd"], object), "pair": np.array([b"", b"xyz"], object)}
    assert row_length(feeds) == 7
    assert row_length({"ids": np.zeros((5, 128), np.int32)}) == 128


def test_text_and_bytes_are_merged_as_they_are():
    rows = [{"t": np.array([b"a\0", b""], object)}, {"t": np.array([b"\xff"], object)}]
    assert merge(rows, 4)["t"].tolist() == [b"a\0", b"", b"\xff", b"\xff"]


def test_a_file_gives_the_numbers(tmp_path):
    path = tmp_path / "parameters.txt"
    path.write_text("max_batch_size { value: 4 } allowed_batch_sizes: 2 allowed_batch_sizes: 4")
    expected = BatchingOptions(max_batch_size=4, allowed_batch_sizes=(2, 4))
    assert read_batching_options(path) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 4", "Invalid protobuf file: '.*parameters.txt': 1:17"),
        ("batch_size { value: 4 }", 'has no field named "batch_size"'),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; "
            "expected 8",
        ),
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1: got 0"),
        ("max_execution_batch_size { value: 2 }", "needs enable_large_batch_splitting"),
        (
            "max_batch_size { value: 2 } allowed_batch_sizes: 2 allowed_batch_sizes: 2",
            "monotonically increasing",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path, text, message):
    path = tmp_path / "parameters.txt"
    path.write_text(text)
    with pytest.raises(InvalidRequestError, match=message):
        read_batching_options(path)
    with pytest.raises(InvalidRequestError, match="Cannot read"):
        read_batching_options(tmp_path / "absent")
