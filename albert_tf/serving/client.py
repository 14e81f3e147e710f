"""A client for this server, and for TensorFlow Serving: plain Python in, NumPy and str out.

Importing this module is quick. The first `Client` imports the messages of the API, and those
bring TensorFlow with them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from albert_tf.serving.errors import CODE_OF_NUMBER, serving_error
from albert_tf.serving.readable import readable_rows

DEFAULT_TIMEOUT = 30.0


@dataclass(frozen=True)
class ClassScore:
    """One class of a Classify answer."""

    label: str
    score: float


@dataclass(frozen=True)
class TensorDescription:
    """Type and shape of an input or output; `None` is a size that varies, or an unknown rank."""

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class SignatureDescription:
    """What a signature takes and gives, by name."""

    method: str
    inputs: dict[str, TensorDescription]
    outputs: dict[str, TensorDescription]


@dataclass(frozen=True)
class VersionStatus:
    """State of one version: START, LOADING, AVAILABLE, UNLOADING or END; and what went wrong."""

    version: int
    state: str
    error_code: str
    error_message: str


class Client:
    """Talks to one server over gRPC. Safe to use from many threads; close it, or use `with`.

    Every call takes `timeout` in seconds (the client's by default), and `version` or `label` to
    ask for another version than the latest.

    Every call raises `ServingError` with the server's code and message: `InvalidRequestError`,
    `NotFoundError`, `DeadlineExceededError` or `ServerUnavailableError` where one of them fits.
    """

    def __init__(
        self,
        address: str,
        timeout: float = DEFAULT_TIMEOUT,
        credentials: grpc.ChannelCredentials | None = None,
    ):
        """Prepares a connection; it is made by the first call.

        Args:
            address: "host:port".
            timeout: seconds that a call may take.
            credentials: for TLS; None for a plain connection.
        """
        # The messages import TensorFlow, which takes seconds.
        from albert_tf.serving import messages

        self._messages = messages
        self._timeout = timeout
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        if credentials is None:
            self._channel = grpc.insecure_channel(address, options)
        else:
            self._channel = grpc.secure_channel(address, credentials, options)
        self._prediction, self._model = messages.stubs(self._channel)

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        signature: str = "",
        output_filter: Sequence[str] = (),
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature on named tensors.

        Args:
            inputs: name -> array, or (nested) list. `{"text": ["..."]}` sends strings. Python
                integers and floats go as int32 and float32, arrays in their own type.
            signature: "" for the default one.
            output_filter: names of the outputs wanted; none for all.

        Returns:
            Name -> array. Strings come as an object array of str, with bytes that are not UTF-8
            as surrogate escapes; outputs named `*_bytes` come as bytes.

        Raises:
            TypeError: an input is no tensor.
            ServingError: see the class.
        """
        spec = self._messages.model_spec(model, signature, version, label)
        request = self._messages.predict_request(spec, inputs, output_filter)
        response = self._call(self._prediction.Predict, request, timeout)
        return self._messages.outputs(response)

    def answer(
        self, model: str, signature: str = "", *, timeout: float | None = None, **texts: Any
    ) -> list[dict]:
        """Asks about texts, and gives an answer a row that reads by itself.

        `client.answer("films", text=["A fine day."])` gives `[{"label": "good", "probabilities":
        {"bad": 0.1, "good": 0.9}}]`; `serving/readable.py` has the answers of all tasks.

        Args:
            signature: "" for the default one.
            **texts: inputs by their names, such as `question` and `context`. The rows of
                `choices` may differ in length.

        Raises:
            ServingError: see the class.
        """
        inputs = {name: _filled_up(column) for name, column in texts.items()}
        return readable_rows(self.predict(model, inputs, signature, timeout=timeout))

    def classify(
        self,
        model: str,
        examples: Iterable[Any],
        signature: str = "",
        *,
        context: Any = None,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[list[ClassScore]]:
        """Classifies examples.

        Args:
            examples: `tf.train.Example`s, or mappings of feature name -> value or list of values.
            signature: "" for the default one; exports of this package name it "classify".
            context: an example with the features that all share.

        Returns:
            For every example the classes, in the model's order.
        """
        spec = self._messages.model_spec(model, signature, version, label)
        request = self._messages.classification_request(spec, examples, context)
        response = self._call(self._prediction.Classify, request, timeout)
        return _class_scores(response.result)

    def regress(
        self,
        model: str,
        examples: Iterable[Any],
        signature: str = "",
        *,
        context: Any = None,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> np.ndarray:
        """Gives one number for each example, float32 `(num_examples,)`. Arguments as `classify`."""
        spec = self._messages.model_spec(model, signature, version, label)
        request = self._messages.regression_request(spec, examples, context)
        response = self._call(self._prediction.Regress, request, timeout)
        return _regressions(response.result)

    def multi_inference(
        self,
        model: str,
        examples: Iterable[Any],
        tasks: Mapping[str, str],
        *,
        context: Any = None,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, list[list[ClassScore]] | np.ndarray]:
        """Runs several signatures on the same examples in one call.

        Both this server and TensorFlow Serving want the signatures to share one input tensor,
        which those that TensorFlow 2 exports do not: ask for one of them at a time.

        Args:
            examples, context: as `classify`.
            tasks: signature -> "classify" or "regress".

        Returns:
            Signature -> what `classify` or `regress` gives.
        """
        specs = {name: self._messages.model_spec(model, name, version, label) for name in tasks}
        request = self._messages.multi_inference_request(specs, tasks, examples, context)
        response = self._call(self._prediction.MultiInference, request, timeout)
        return {
            name: _class_scores(result.classification_result)
            if result.WhichOneof("result") == "classification_result"
            else _regressions(result.regression_result)
            for name, result in zip(tasks, response.results, strict=True)
        }

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, SignatureDescription]:
        """Returns signature name -> what it takes and gives."""
        spec = self._messages.model_spec(model, "", version, label)
        request = self._messages.metadata_request(spec)
        response = self._call(self._prediction.GetModelMetadata, request, timeout)
        return {
            name: SignatureDescription(
                definition.method_name,
                _descriptions(self._messages, definition.inputs),
                _descriptions(self._messages, definition.outputs),
            )
            for name, definition in self._messages.signature_definitions(response).items()
        }

    def status(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[VersionStatus]:
        """Returns the states of the versions, the newest first."""
        spec = self._messages.model_spec(model, "", version, label)
        request = self._messages.status_request(spec)
        response = self._call(self._model.GetModelStatus, request, timeout)
        return [
            VersionStatus(
                one.version,
                type(one).State.Name(one.state),
                CODE_OF_NUMBER[one.status.error_code].name,
                one.status.error_message,
            )
            for one in response.model_version_status
        ]

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def _call(self, method: Callable, request, timeout: float | None):
        try:
            return method(request, timeout=self._timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise serving_error(error.code(), error.details() or "") from error


def _filled_up(column: Any) -> Any:
    """Lists of texts of one length, with "" behind the shorter ones; anything else as it is."""
    if not isinstance(column, (list, tuple)) or not column or isinstance(column[0], (str, bytes)):
        return column
    width = max(map(len, column))
    return [[*row, *[""] * (width - len(row))] for row in column]


def _class_scores(result) -> list[list[ClassScore]]:
    return [
        [ClassScore(one.label, one.score) for one in classification.classes]
        for classification in result.classifications
    ]


def _regressions(result) -> np.ndarray:
    return np.array([regression.value for regression in result.regressions], np.float32)


def _descriptions(messages, infos) -> dict[str, TensorDescription]:
    return {
        name: TensorDescription(messages.type_name(info.dtype), messages.shape(info.tensor_shape))
        for name, info in infos.items()
    }
