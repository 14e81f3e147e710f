"""What the clients and the operator of `soak.py` do, and what may come back."""

import collections
import json
import random
import runpy
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictResponse

REPOSITORY = Path(__file__).parents[1]
hostile = SimpleNamespace(**runpy.run_path(str(REPOSITORY / "tests" / "serving" / "hostile.py")))

PREDICT = "/tensorflow.serving.PredictionService/Predict"
AFTER_SIGTERM = "after SIGTERM, all kinds"
BUSY = {*hostile.BUSY, 429, 503, 504}
ENDING = {"UNAVAILABLE", "CANCELLED"}
# What may come back, by kind of request. Not there: UNKNOWN, which is an exception of ours.
ALLOWED = {
    "good, gRPC": {"OK"} | hostile.BUSY,
    "good, REST": {200, 429, 503, 504},
    "vanishing, gRPC": {"gone"},
    "vanishing, REST": {"gone"},
    "spoiled protobuf": {"OK", "INTERNAL"} | hostile.REFUSALS | hostile.BUSY,
    "spoiled JSON": {200, 400, 404, 429, 503},
    "spoiled HTTP": {None, 200, 400, 404, 408, 411, 414, 429, 431, 501, 503, 505},
    "10 MB, gRPC": {"OK", "INVALID_ARGUMENT"} | hostile.BUSY,
    "10 MB, REST": {200, 400, 429, 503, 504},
    "odd, to answer": {"OK", "INVALID_ARGUMENT"} | hostile.BUSY,
    "odd, to refuse": hostile.REFUSALS | hostile.BUSY,
    "reload": {"OK", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"},
}


class Soak:
    """Everything that runs at once, and what came of it."""

    def __init__(self, folder, texts, seed):
        self.folder, self.texts, self.seed = folder, texts, seed
        self.stop, self.ending = threading.Event(), threading.Event()
        self.counts = collections.defaultdict(collections.Counter)
        self.wrong: list[str] = []
        self.lock = threading.Lock()
        # Version -> text -> logits, filled before the load begins.
        self.expected: dict[int, dict[bytes, list[float]]] = {}

    def note(self, kind, status):
        """Counts an answer; one that may not be is a failure, except that SIGTERM cuts off."""
        ending = self.ending.is_set()
        with self.lock:
            counts = self.counts[AFTER_SIGTERM if ending else kind]
            counts[status] += 1
            allowed = ALLOWED[kind] | ({None, *ENDING} if ending else set())
            if status not in allowed and len(self.wrong) < 20:
                self.wrong.append(f"{kind}: {status}")
        if status in BUSY:
            # As a client should: not at once again.
            time.sleep(0.03)

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)

    def repeat(self, action, number, pause=0.0):
        """Runs `action(rng)` until the end, in a thread."""
        rng = random.Random(self.seed * 1000 + number)

        def work():
            while not self.stop.is_set():
                action(rng)
                self.stop.wait(pause)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread


class Clients:
    """The kinds of clients; every method sends one request and notes what came back."""

    def __init__(self, soak, address, rest_address):
        self.soak, self.address, self.rest = soak, address, rest_address
        host, _, port = rest_address.rpartition(":")
        self.rest_socket = (host, int(port))
        limits = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self.channels = [
            grpc.insecure_channel(address, [*limits, ("grpc.use_local_subchannel_pool", 1)])
            for _ in range(4)
        ]
        self.good_bytes = self.request([texts_bytes(soak.texts[:2])]).SerializeToString()
        self.odd = list(hostile.odd_requests("m", ""))

    def request(self, groups):
        return hostile.text_request("m", "", groups[0])

    def send(self, rng, payload, timeout=20):
        try:
            return "OK", rng.choice(self.channels).unary_unary(PREDICT)(payload, timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, None

    def good_grpc(self, rng):
        texts = texts_bytes(rng.sample(self.soak.texts, rng.choice([1, 1, 1, 3])))
        status, reply = self.send(rng, self.request([texts]).SerializeToString())
        self.soak.note("good, gRPC", status)
        if status == "OK":
            reply = PredictResponse.FromString(reply)
            logits = np.reshape(reply.outputs["logits"].float_val, (len(texts), -1))
            self.compare(reply.model_spec.version.value, texts, logits)

    def good_rest(self, rng):
        texts = rng.sample(self.soak.texts, 2)
        version = rng.choice([1, 2])
        status, answer = self.http(f"/v1/models/m/versions/{version}:predict", {"instances": texts})
        self.soak.note("good, REST", status)
        if status == 200:
            logits = np.array([row["logits"] for row in answer["predictions"]])
            self.compare(version, texts_bytes(texts), logits)

    def compare(self, version, texts, logits):
        for text, got in zip(texts, logits, strict=True):
            wanted = self.soak.expected[1 if version == 1 else 2][text]
            if np.abs(got - wanted).max() > 1e-4:
                self.soak.complain(f"version {version} on {text!r}: {got}, not {wanted}")

    def http(self, path, document, timeout=40):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        try:
            with urllib.request.urlopen(f"http://{self.rest}{path}", body, timeout) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            # A server that has no place for a connection may close it before it is heard.
            return 503, None

    def vanish_grpc(self, rng):
        with grpc.insecure_channel(self.address) as channel:
            call = channel.unary_unary(PREDICT).future(self.good_bytes)
            time.sleep(rng.random() / 50)
            call.cancel()
        self.soak.note("vanishing, gRPC", "gone")

    def vanish_rest(self, rng):
        body = json.dumps({"instances": self.soak.texts[:3]}).encode()
        head = b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        try:
            with socket.create_connection(self.rest_socket, timeout=5) as connection:
                payload = head + body
                connection.sendall(payload[: rng.choice([20, len(head) + 5, len(payload)])])
        except OSError:
            pass  # It may hang up on us first: then we are gone as well.
        self.soak.note("vanishing, REST", "gone")

    def spoiled_protobuf(self, rng):
        status, _ = self.send(rng, hostile.mutated(rng, self.good_bytes))
        self.soak.note("spoiled protobuf", status)

    def spoiled_json(self, rng):
        self.soak.note("spoiled JSON", self.http("/v1/models/m:predict", hostile.bad_json(rng))[0])

    def spoiled_http(self, rng):
        line = b""
        try:
            with socket.create_connection(self.rest_socket, timeout=40) as connection:
                connection.sendall(hostile.bad_http(rng, "/v1/models/m:predict"))
                connection.shutdown(socket.SHUT_WR)
                line = connection.makefile("rb").readline()
        except ConnectionError:
            pass  # Refused before it was all sent: an answer, too.
        status = int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else None
        self.soak.note("spoiled HTTP", status)

    def large_grpc(self, rng):
        text = rng.choice([b"word ", b"x", b"\xff", b"\0"]) * hostile.TEN_MEGABYTES
        text = text[: hostile.TEN_MEGABYTES]
        status, _ = self.send(rng, self.request([[text]]).SerializeToString(), timeout=60)
        self.soak.note("10 MB, gRPC", status)

    def large_rest(self, rng):
        text = "a word " * (hostile.TEN_MEGABYTES // 7)
        status, _ = self.http("/v1/models/m:predict", {"instances": [text]}, timeout=60)
        self.soak.note("10 MB, REST", status)

    def odd_request(self, rng):
        _, request, may_be_answered = rng.choice(self.odd)
        kind = "odd, to answer" if may_be_answered else "odd, to refuse"
        self.soak.note(kind, self.send(rng, request.SerializeToString())[0])


def texts_bytes(texts):
    return [text.encode() for text in texts]


class Operator:
    """Publishes versions above 2, good and broken, takes them away, and reloads the list."""

    def __init__(self, soak, clients):
        self.soak, self.clients = soak, clients
        self.base = soak.folder / "served"
        self.next_version = 3

    def act(self, rng):
        number, self.next_version = self.next_version, self.next_version + 1
        aside = self.base / f".{number}-being-written"
        shutil.copytree(self.base / "2", aside)
        broken = rng.choice([None, "saved_model.pb", "variables/variables.index"])
        if broken:
            (aside / broken).write_bytes((aside / broken).read_bytes()[:100])
        aside.rename(self.base / str(number))
        write_model_list(self.soak.folder, self.base, extra=number)
        time.sleep(rng.random() * 2)
        self.reload()
        write_model_list(self.soak.folder, self.base)
        time.sleep(rng.random())
        shutil.rmtree(self.base / str(number))

    def reload(self):
        request = ReloadConfigRequest()
        config = request.config.model_config_list.config.add(name="m", base_path=str(self.base))
        config.model_platform = "tensorflow"
        config.model_version_policy.specific.versions.extend([1, 2])
        try:
            ModelServiceStub(self.clients.channels[0]).HandleReloadConfigRequest(
                request, timeout=60
            )
            self.soak.note("reload", "OK")
        except grpc.RpcError as error:
            self.soak.note("reload", error.code().name)


def write_model_list(folder, base, extra=None):
    versions = " ".join(f"versions: {number}" for number in (1, 2, extra) if number)
    text = (
        f'model_config_list {{ config {{ name: "m" base_path: "{base}" '
        f'model_platform: "tensorflow" model_version_policy {{ specific {{ {versions} }} }} }} }}'
    )
    staged = folder / "models.config.new"
    staged.write_text(text)
    staged.rename(folder / "models.config")


def fill_expected(soak, clients):
    """Asks about every text alone, before the load begins."""
    for version in (1, 2):
        answers = soak.expected[version] = {}
        for text in texts_bytes(soak.texts):
            request = clients.request([[text]])
            request.model_spec.version.value = version
            status, reply = clients.send(random.Random(0), request.SerializeToString())
            if status != "OK":
                raise SystemExit(f"the server does not answer before the load: {status}")
            logits = PredictResponse.FromString(reply).outputs["logits"].float_val
            answers[text] = np.array(logits)
