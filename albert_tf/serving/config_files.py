"""The text files that TensorFlow Serving's flags name, read as it reads them.

Only the message of the model list comes with `tensorflow-serving-api`. The others are small, so
they are described here, field by field as in TensorFlow Serving's own `.proto` files:
`session_bundle_config.proto`, `ssl_config.proto`, `monitoring_config.proto`.
"""

from pathlib import Path

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from google.protobuf.message import Message
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from albert_tf.serving.errors import invalid_argument

_PACKAGE = "tensorflow.serving"
_WRAPPERS = "google/protobuf/wrappers.proto"
_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {"int64": _Field.TYPE_INT64, "bool": _Field.TYPE_BOOL, "string": _Field.TYPE_STRING}

# message -> (number, name, kind); a kind that is not in `_KINDS` names another message.
_MESSAGES = {
    "BatchingParameters": (
        (1, "max_batch_size", ".google.protobuf.Int64Value"),
        (2, "batch_timeout_micros", ".google.protobuf.Int64Value"),
        (3, "max_enqueued_batches", ".google.protobuf.Int64Value"),
        (4, "num_batch_threads", ".google.protobuf.Int64Value"),
        (5, "thread_pool_name", ".google.protobuf.StringValue"),
        (6, "allowed_batch_sizes", "repeated int64"),
        (7, "pad_variable_length_inputs", "bool"),
        (8, "enable_large_batch_splitting", ".google.protobuf.BoolValue"),
        (9, "max_execution_batch_size", ".google.protobuf.Int64Value"),
    ),
    "SSLConfig": (
        (1, "server_key", "string"),
        (2, "server_cert", "string"),
        (3, "custom_ca", "string"),
        (4, "client_verify", "bool"),
    ),
    "PrometheusConfig": ((1, "enable", "bool"), (2, "path", "string")),
    "MonitoringConfig": ((1, "prometheus_config", f".{_PACKAGE}.PrometheusConfig"),),
}


def _message_types() -> dict[str, type[Message]]:
    # A pool of our own: another package may describe the same messages one day.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="albert_tf/serving.proto", package=_PACKAGE, syntax="proto3", dependency=[_WRAPPERS]
    )
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, name, kind in fields:
            repeated, kind = kind.startswith("repeated "), kind.removeprefix("repeated ")
            field = described.field.add(name=name, number=number)
            field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            field.type = _KINDS.get(kind, _Field.TYPE_MESSAGE)
            if kind not in _KINDS:
                field.type_name = kind
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    return {m: message_factory.GetMessageClass(find(f"{_PACKAGE}.{m}")) for m in _MESSAGES}


_TYPES = _message_types()
BatchingParameters = _TYPES["BatchingParameters"]
SSLConfig = _TYPES["SSLConfig"]
MonitoringConfig = _TYPES["MonitoringConfig"]


def read_message(path: str | Path, kind: type[Message]) -> Message:
    """Reads a text-format message.

    Raises:
        ServingError: the file cannot be read, or does not hold such a message; it says where.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid_argument(f"Cannot read {path}: {error}") from error
    try:
        return text_format.Parse(text, kind())
    except text_format.ParseError as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}': {error}") from error


def read_model_list(path: str | Path) -> list:
    """Reads a `--model_config_file`; returns its `ModelConfig`s. Raises as `read_message`."""
    config = read_message(path, ModelServerConfig)
    if config.WhichOneof("config") != "model_config_list":
        raise invalid_argument(f"{path} must hold a model_config_list: see export/models.config.")
    return list(config.model_config_list.config)
