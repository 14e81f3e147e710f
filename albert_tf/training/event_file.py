"""Numbers for TensorBoard, written without TensorFlow and without TensorBoard.

An event file is a TFRecord file of `tensorflow.Event` messages. The few fields that a scalar needs
are put together here, so that training on the JAX backend writes the same files.
"""

import os
import socket
import struct
import time
from pathlib import Path

from albert_tf.data.checksums import masked_crcs
from albert_tf.staging import full_disk_named

_DT_FLOAT = 1
_SCALAR_CLASS = 1


class EventFile:
    """One file of scalars, which grows.

    Args:
        directory: a curve of its own in TensorBoard; made when it is missing.
    """

    def __init__(self, directory):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self.path = directory / name
        version = _field(3, b"brain.Event:2")
        with full_disk_named(self.path):
            self.path.write_bytes(_record(_double(1, time.time()) + version))

    def add(self, step, values, wall_time=None):
        """Adds the scalars of one step.

        Args:
            step: number of updates so far.
            values: name -> number.
            wall_time: seconds since 1970; None is now.
        """
        summary = b"".join(_field(1, _value(name, value)) for name, value in values.items())
        moment = time.time() if wall_time is None else wall_time
        event = _double(1, moment) + _number(2, step) + _field(5, summary)
        with full_disk_named(self.path), self.path.open("ab") as file:
            file.write(_record(event))


def _value(name, value):
    tensor = _number(1, _DT_FLOAT) + _field(2, b"") + _field(5, struct.pack("<f", value))
    plugin = _field(1, _field(1, b"scalars")) + _number(4, _SCALAR_CLASS)
    return _field(1, name.encode("utf-8")) + _field(8, tensor) + _field(9, plugin)


def _record(content):
    length = struct.pack("<Q", len(content))
    of_length, of_content = (struct.pack("<I", crc) for crc in masked_crcs([length, content]))
    return length + of_length + content + of_content


def _field(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number, value):
    return _varint(number << 3) + _varint(value)


def _double(number, value):
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _varint(value):
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
