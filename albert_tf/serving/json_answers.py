"""The JSON answers of TensorFlow Serving's REST API."""

import base64
from collections.abc import Mapping

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from albert_tf.serving import tensors
from albert_tf.serving.errors import invalid_argument


def predict_answer(outputs: Mapping[str, TensorProto], row_form: bool) -> dict:
    """Gives the JSON of a predict answer in the form of its request."""
    values = {name: tensors.from_proto(proto) for name, proto in outputs.items()}
    lists = {name: _to_json(name, array) for name, array in values.items()}
    bare = next(iter(lists)) if len(lists) == 1 else None
    if not row_form:
        return {"outputs": lists[bare] if bare is not None else lists}
    batch_sizes = {}
    for name, array in values.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        batch_sizes[name] = len(array)
        expected = next(iter(batch_sizes.values()))
        if len(array) != expected:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {expected}"
            )
    if bare is not None:
        return {"predictions": lists[bare]}
    rows = zip(*lists.values(), strict=True)
    return {"predictions": [dict(zip(lists, row, strict=True)) for row in rows]}


def _to_json(name: str, array: np.ndarray):
    if array.dtype.kind == "O":
        # Text leaves as text; the suffix is TensorFlow Serving's mark of an output of bytes.
        write = _encode_base64 if name.endswith("_bytes") else _decode_text
        flat = np.empty(array.size, dtype=object)
        flat[:] = [write(item) for item in array.reshape(-1)]
        return flat.reshape(array.shape).tolist()
    if array.dtype in (np.float16, np.float32):
        # Through text: 0.2 stays 0.2 and is not written as 0.20000000298023224.
        array = array.astype(str).astype(np.float64)
    elif array.dtype.kind == "V":
        array = array.astype(np.float32)
    elif array.dtype.kind == "c":
        raise invalid_argument(f"Failed to write JSON value for tensor type: {array.dtype}")
    return array.tolist()


def _encode_base64(value: bytes) -> dict:
    return {"b64": base64.b64encode(value).decode()}


def _decode_text(value: bytes) -> str:
    # JSON is UTF-8; what is not cannot be written in it.
    return value.decode(errors="replace")


def _shortest(score: float) -> float:
    return float(str(np.float32(score)))


def classify_answer(result: ClassificationResult) -> dict:
    """Gives `[label, score]` pairs for every example."""
    return {
        "results": [
            [[one.label, _shortest(one.score)] for one in classification.classes]
            for classification in result.classifications
        ]
    }


def regress_answer(result: RegressionResult) -> dict:
    return {"results": [_shortest(regression.value) for regression in result.regressions]}


def metadata_answer(response: GetModelMetadataResponse) -> dict:
    signature_map = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signature_map)
    return {
        "model_spec": message_answer(response.model_spec),
        "metadata": {"signature_def": message_answer(signature_map)},
    }


def message_answer(message: Message) -> dict:
    """Writes a message with every plain field, set or not, as TensorFlow Serving does."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
