"""Requests that no good client sends: for the tests, and for `benchmarks/soak.py`.

Everything is drawn from a `random.Random` that is handed in, so that a seed gives the same again.
"""

import json

from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis.predict_pb2 import PredictRequest

REFUSALS = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND"}
BUSY = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
TEN_MEGABYTES = 10_000_000


def text_request(model, signature, texts, input_name="text") -> PredictRequest:
    """A good request: a string tensor `(len(texts),)`."""
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    tensor = request.inputs[input_name]
    tensor.dtype = types_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=len(texts))
    tensor.string_val.extend(texts)
    return request


def odd_requests(model, signature, input_name="text"):
    """Yields name, request, and whether it may be answered; else it must be refused."""

    def request(*texts):
        return text_request(model, signature, texts, input_name)

    yield "NUL bytes", request(b"\0", b"a\0b\0"), True
    yield "invalid UTF-8", request(b"\xff\xfe\xc3", b"\xed\xa0\x80 ok"), True
    yield "nothing but spaces", request(b"", b"   \n\t"), True
    yield "odd characters", request("\u202e\u0301\U0001f469\u200d\U0001f680".encode() * 50), True
    yield "empty batch", request(), True
    wrong = request(b"x")
    wrong.inputs[input_name].dtype = types_pb2.DT_FLOAT
    yield "strings that say they are floats", wrong, False
    wrong = request()
    wrong.inputs[input_name].dtype = types_pb2.DT_INT64
    wrong.inputs[input_name].int64_val.extend([1, 2])
    wrong.inputs[input_name].tensor_shape.dim[0].size = 2
    yield "wrong dtype", wrong, False
    wrong = request(b"x")
    wrong.inputs[input_name].tensor_shape.dim[0].size = 2**62
    yield "a shape without end", wrong, False
    wrong = request(b"x")
    wrong.inputs[input_name].tensor_shape.dim[0].size = -5
    yield "a negative shape", wrong, False
    wrong = request(b"x")
    wrong.inputs[input_name].tensor_shape.unknown_rank = True
    yield "no shape", wrong, False
    wrong = request()
    wrong.inputs[input_name].tensor_content = b"\xff" * 20
    wrong.inputs[input_name].tensor_shape.dim[0].size = 3
    yield "strings whose lengths do not add up", wrong, False
    wrong = request(b"x")
    wrong.inputs[input_name].dtype = types_pb2.DT_RESOURCE
    yield "a handle", wrong, False
    wrong = request(b"x")
    wrong.inputs["another"].CopyFrom(wrong.inputs[input_name])
    yield "an input too many", wrong, False
    wrong = request(b"x")
    wrong.output_filter.extend(["no such output"])
    yield "an output that is not there", wrong, False
    wrong = request(b"x")
    wrong.model_spec.version.value = 2**62
    yield "a version that is not there", wrong, False


def mutated(rng, payload: bytes) -> bytes:
    """Spoils bytes: flips some, cuts some out, repeats some, or puts others in."""
    data = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.randint(1, 12))
        kind = rng.randrange(4)
        if kind == 0 and data:
            data[rng.randrange(len(data))] = rng.randrange(256)
        elif kind == 1:
            del data[start:stop]
        elif kind == 2:
            data[start:start] = data[start:stop] * rng.randint(1, 3)
        else:
            data[start:start] = rng.randbytes(rng.randint(1, 12))
    return bytes(data)


def bad_json(rng, input_name="text") -> bytes:
    """A REST body that is wrong in some way, and sometimes by chance right."""
    good = json.dumps({"instances": ["a day", {"b64": "AAE="}], "signature_name": ""})
    nested = b'{"inputs": ' + b"[" * rng.randint(1, 5000)
    wrong = [
        b"",
        nested,
        nested + b"]" * 5000 + b"}",
        json.dumps({"instances": [{input_name: 1}]}).encode(),
        json.dumps({"instances": [["a"], ["b", "c"]]}).encode(),
        json.dumps({"inputs": {input_name: [None, True, 1e400]}}).encode(),
        b'{"inputs": ["\\ud800"]}',
        b'{"inputs": ["\xff\xfe"]}',
        b'{"inputs": 1' + b"0" * 5000 + b"}",
    ]
    return rng.choice([*wrong, *[mutated(rng, good.encode())] * len(wrong)])


def bad_http(rng, path: str) -> bytes:
    """Bytes on a socket that look like HTTP to some degree."""
    body = bad_json(rng)
    good = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    chunked = f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n".encode()
    return rng.choice(
        [
            mutated(rng, good),
            mutated(rng, good),
            mutated(rng, chunked + b"{}   \r\n0\r\n\r\n"),
            rng.randbytes(rng.randint(1, 300)),
            b"GET " + b"/" * rng.choice([10, 70_000]) + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
            b"GET " + path.encode() + b" HTTP/9.9\r\n\r\n",
            b"POST "
            + path.encode()
            + b" HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ]
    )
