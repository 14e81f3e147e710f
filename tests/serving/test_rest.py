"""The REST API, over a real connection on loopback."""

import base64
import http.client
import json
import math
import socket

import pytest


@pytest.fixture
def http_call(server):
    """Sends a request and returns the status and the JSON of the reply."""

    def send(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(server.rest_address, timeout=10)
        payload = json.dumps(body) if isinstance(body, dict) else body
        connection.request(method, path, payload, headers)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        connection.close()
        return reply.status, answer

    return send


@pytest.fixture
def post(http_call):
    return lambda verb, body: http_call("POST", f"/v1/models/scale:{verb}", body)


def test_rows_give_an_object_for_each_example(post):
    status, answer = post("predict", {"instances": [1.5, 0.1]})
    assert status == 200
    assert answer == {
        "predictions": [{"y": 3.0, "minus_y": -3.0}, {"y": 0.2, "minus_y": -0.2}],
    }


def test_columns_give_a_list_for_each_output(post):
    body = {"inputs": {"x": [1.0, 2.0]}, "signature_name": "serving_default"}
    assert post("predict", body) == (200, {"outputs": {"y": [2.0, 4.0], "minus_y": [-2.0, -4.0]}})


def test_one_output_is_given_bare(post):
    row = {"left": [1, 2], "right": [3, 4]}
    body = {"signature_name": "add", "instances": [row, row]}
    assert post("predict", body) == (200, {"predictions": [[4, 6], [4, 6]]})
    body = {"signature_name": "add", "inputs": {"left": [[1, 2]], "right": [[3, 4]]}}
    assert post("predict", body) == (200, {"outputs": [[4, 6]]})


def test_bytes_travel_as_base64(post):
    raw = base64.b64encode(b"\xff\x00").decode()
    status, answer = post(
        "predict", {"signature_name": "shout", "instances": [{"b64": raw}, "abc"]}
    )
    assert status == 200
    assert answer["predictions"][0]["raw_bytes"] == {"b64": raw}
    assert answer["predictions"][1]["upper"] == "ABC"


def test_nan_and_infinity_are_numbers(post):
    status, answer = post("predict", b'{"inputs": [NaN, Infinity]}')
    assert status == 200
    assert math.isnan(answer["outputs"]["y"][0])
    assert answer["outputs"]["minus_y"][1] == -math.inf


def test_classify_and_regress_answer_under_results(post):
    body = {"signature_name": "classify", "examples": [{"x": 1.5}]}
    assert post("classify", body) == (200, {"results": [[["low", -3.0], ["high", 3.0]]]})
    body = {"signature_name": "regress", "context": {"x": 0.1}, "examples": [{}, {"x": [2.5]}]}
    assert post("regress", body) == (200, {"results": [0.2, 5.0]})


def test_status_and_metadata_can_be_read(http_call):
    status = {"error_code": "OK", "error_message": ""}
    for path in ("/v1/models/scale", "/V1/Models/scale/versions/1"):
        assert http_call("GET", path) == (
            200,
            {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]},
        )
    code, answer = http_call("GET", "/v1/models/scale/metadata")
    assert code == 200
    assert answer["model_spec"]["name"] == "scale"
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures["shout"]["inputs"]["text"]["dtype"] == "DT_STRING"


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/v1/models/nobody", 404, "Could not find any versions of model nobody"),
        ("/v1/models/scale/versions/9", 404, "Could not find version 9 of model scale"),
        ("/v1/models/scale/versions/9999999999999999999", 400, "Failed to convert version"),
        ("/v1/models/scale/labels/stable", 400, "Unrecognized servable version label: stable"),
        ("/v1/models", 400, "Malformed request: GET /v1/models"),
        ("/favicon.ico", 404, "Not Found: /favicon.ico"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(http_call, path, status, message):
    code, answer = http_call("GET", path)
    assert code == status
    assert answer["error"].startswith(message)


BAD_BODIES = {
    b"": "The document is empty",
    b"{": "JSON Parse error",
    b"\xff": "JSON Parse error",
    b"[1]": "Is not object",
    b"[" * 100_000: "JSON Parse error",
    b"{}": "Missing 'inputs' or 'instances' key",
    b'{"instances": [1], "inputs": [1]}': "expecting only one of 'inputs' or 'instances'",
    b'{"instances": []}': "No values in 'instances' array",
    b'{"instances": 1}': "Excepting 'instances' to be an list/array",
    b'{"instances": ["a"]}': "is not of expected type: float",
    b'{"instances": [true]}': "is not of expected type: float",
    b'{"instances": [16777217]}': "without loss of precision",
    b'{"instances": [1e300]}': "without loss of precision",
    b'{"instances": [[1, 2, 3], [1, 2]]}': "Expecting tensor size: 3 but got: 2",
    b'{"instances": [[[1, 2]], [[1], [2]]]}': "Expecting shape [1,2] but got: [2,1]",
    b'{"instances": [{"x": 1}, 2]}': "Expecting object but got list at item 1",
    b'{"instances": [{"z": 1}]}': "does not have named input: z",
    b'{"instances": [{}]}': "keys must be equal to: x",
    b'{"inputs": {"z": 1}}': "Missing named input: x",
    b'{"inputs": [[1], [1, 2]]}': "Encountered list at unexpected size: 2",
    b'{"inputs": [1, [2]]}': "Encountered list at unexpected level",
    b'{"inputs": [[1], 2]}': "found at incorrect level",
    b'{"inputs": ' + b"[" * 90 + b"1" + b"]" * 90 + b"}": "at most 64 dimensions",
    b'{"inputs": [1], "signature_name": 1}': "'signature_name' key must be a string value",
    b'{"inputs": [1], "signature_name": "nothing"}': '"nothing" not found in signature def',
    b'{"inputs": ["\\ud800"], "signature_name": "shout"}': "surrogates not allowed",
    b'{"inputs": [{"b64": "!"}], "signature_name": "shout"}': "Unable to base64 decode",
    b'{"instances": [1], "signature_name": "add"}': "expecting list of objects",
    b'{"inputs": [1], "signature_name": "add"}': "expecting an object",
}


@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_bad_body_is_refused_with_the_reason(post, body):
    status, answer = post("predict", body)
    assert status == 400
    assert BAD_BODIES[body] in answer["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "key 'examples' is expected"),
        ({"examples": {}}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "unexpected JSON type: Null"),
        ({"examples": [{"x": [1.0, "a"]}]}, "expecting type: float"),
        ({"examples": [{"x": 2**63}]}, "is not of expected type: int64"),
        ({"examples": [{}], "signature_name": "regress"}, "Feature: x"),
    ],
)
def test_a_bad_example_is_refused_with_the_reason(post, body, message):
    status, answer = post("regress", body)
    assert status == 400
    assert message in answer["error"]


def test_a_scalar_output_has_no_rows(post):
    body = {"signature_name": "count", "inputs": 3}
    assert post("predict", body) == (200, {"outputs": 3})
    status, answer = post("predict", {"signature_name": "count", "instances": [3]})
    assert status in (400, 500)
    assert "error" in answer


def test_a_body_in_chunks_is_read(http_call):
    chunks = iter([b'{"inputs"', b": [1.0]}"])
    code, answer = http_call("POST", "/v1/models/scale:predict", chunks)
    assert (code, answer["outputs"]["y"]) == (200, [2.0])


def test_another_method_is_refused(http_call):
    assert http_call("DELETE", "/v1/models/scale")[0] == 501


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1",
        b"Content-Length: 9x",
        b"Transfer-Encoding: chunked\r\n\r\nno number",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff",
        b"Content-Length: 99999999999999",
    ],
)
def test_a_body_of_impossible_length_is_refused(server, head):
    host, _, port = server.rest_address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST /v1/models/scale:predict HTTP/1.1\r\n" + head + b"\r\n\r\n")
        status_line = connection.makefile("rb").readline()
    assert status_line.split()[1] in (b"400", b"429")


def test_a_client_that_hangs_up_harms_nobody(server, post):
    host, _, port = server.rest_address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST /v1/models/scale:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{")
    assert post("predict", {"inputs": [1.0]})[0] == 200
