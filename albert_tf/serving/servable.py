"""One version of one model, loaded and ready to run.

A SavedModel is loaded through TensorFlow 1's session loader, because TensorFlow Serving does so:
the same variables are restored, the same kernels run and complain in the same words. Loading with
`tf.saved_model.load` would accept models that TensorFlow Serving cannot run.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the text ops that a graph may contain
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.util import deprecation

from albert_tf.serving.errors import (
    CODE_OF_NUMBER,
    ServingError,
    invalid_argument,
    not_found,
    serving_error,
)

# A damaged SavedModel fails anywhere on its way through TensorFlow's Python.
_LOAD_FAILURES = (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError)


class Servable:
    """A loaded version directory. Safe to run from many threads.

    Attributes:
        name: the model's name on the server.
        version: number of the version.
        signatures: name -> `SignatureDef`.
    """

    def __init__(self, name: str, version: int, directory: Path, bfloat16: bool = False):
        """Loads the SavedModel of a version directory.

        Args:
            bfloat16: let TensorFlow compute in bfloat16 what stands it; the weights stay as they
                are. Does nothing where the processor has no such instructions.

        Raises:
            ServingError: there is none, it is damaged, or it needs an op that is not here.
        """
        self.name = name
        self.version = version
        _check_saved_model(directory)
        graph = tf.Graph()
        config = tf.compat.v1.ConfigProto()
        if bfloat16:
            rewriting = config.graph_options.rewrite_options
            rewriting.auto_mixed_precision_onednn_bfloat16 = RewriterConfig.ON
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default(), _load_failures_as_serving_errors(), deprecation.silence():
                meta_graph = tf.compat.v1.saved_model.load(
                    self._session, [tf.saved_model.SERVING], str(directory)
                )
        except ServingError:
            self._session.close()
            raise
        graph.finalize()
        self.signatures = dict(meta_graph.signature_def)

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
        is_wanted: Callable[[], bool] | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs the graph.

        Args:
            feeds: name of a tensor -> value. `Session.run` would cast values and check shapes
                first; here they reach the kernels as they are, as in TensorFlow Serving.
            fetches: names of tensors; repeats are fetched once.
            timeout: seconds; None for no limit.
            is_wanted: not asked here, where nothing waits before it runs.

        Returns:
            Name -> array; strings as object arrays of bytes.

        Raises:
            ServingError: with the code and message of the kernel that failed.
        """
        options = tf.compat.v1.RunOptions()
        if timeout is not None:
            # Zero would mean no limit at all.
            options.timeout_in_ms = max(1, int(timeout * 1000))
        fetches = list(dict.fromkeys(fetches))
        feed_handles = {self._handle(name): value for name, value in feeds.items()}
        fetch_handles = [self._handle(name) for name in fetches]
        buffer = pywrap_tf_session.TF_NewBufferFromString(options.SerializeToString())
        try:
            values = self._session._call_tf_sessionrun(
                buffer, feed_handles, fetch_handles, [], None
            )
        except tf.errors.OpError as error:
            raise serving_error(CODE_OF_NUMBER[error.error_code], error.message) from error
        except UnicodeDecodeError as error:
            # TensorFlow's Python loses a status whose message quotes bytes that are not UTF-8, all
            # but the message. Kernels quote the input, when they complain about it.
            raise invalid_argument(error.object.decode(errors="replace")) from error
        finally:
            pywrap_tf_session.TF_DeleteBuffer(buffer)
        return dict(zip(fetches, map(_array, values), strict=True))

    def _handle(self, tensor_name: str):
        try:
            return self._session.graph.get_tensor_by_name(tensor_name)._as_tf_output()
        except (KeyError, ValueError) as error:
            raise invalid_argument(
                f"Tensor {tensor_name}, specified in either feed_devices or fetch_devices was not "
                "found in the Graph"
            ) from error

    def close(self) -> None:
        """Frees the variables. Nothing may be running."""
        self._session.close()


def _array(value) -> np.ndarray:
    """A scalar comes back from the session as a plain value, not as an array."""
    if isinstance(value, (bytes, str)):
        return np.array(value, dtype=object)
    return np.asarray(value)


def _check_saved_model(directory: Path) -> None:
    """Tells a missing SavedModel from a damaged one; TensorFlow's Python mixes them up."""
    binary = directory / "saved_model.pb"
    if not binary.is_file():
        if (directory / "saved_model.pbtxt").is_file():
            return
        raise not_found(
            "Could not find SavedModel .pb or .pbtxt at supplied export directory path: "
            f"{directory}. Check that the directory exists and that you have the right permissions "
            "for accessing it."
        )
    try:
        saved_model = SavedModel.FromString(binary.read_bytes())
    except DecodeError as error:
        raise serving_error(
            grpc.StatusCode.DATA_LOSS, f"Can't parse {binary} as binary proto"
        ) from error
    tag_sets = [set(graph.meta_info_def.tags) for graph in saved_model.meta_graphs]
    if {tf.saved_model.SERVING} not in tag_sets:
        raise not_found(
            "Could not find meta graph def matching supplied tags: { serve }. "
            f"The SavedModel in {directory} has the tag sets {[sorted(tags) for tags in tag_sets]}."
        )


@contextlib.contextmanager
def _load_failures_as_serving_errors() -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        raise serving_error(CODE_OF_NUMBER[error.error_code], error.message) from error
    except (*_LOAD_FAILURES, DecodeError) as error:
        raise serving_error(
            grpc.StatusCode.DATA_LOSS, f"The SavedModel cannot be loaded: {error}"
        ) from error
