"""The gRPC side of the server: both services, health, reflection, TLS, and bounds."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import (
    model_service_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
)

from albert_tf.serving.malformed import MalformedMessages
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.observing import Observer
from albert_tf.serving.options import MAX_MESSAGE_BYTES
from albert_tf.serving.services import ModelService, PredictionService

# TensorFlow Serving's health service uses short names; the empty one is the whole server.
HEALTH_NAMES = ("", "PredictionService", "ModelService")
REFLECTED = (
    prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name,
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection.SERVICE_NAME,
)


class GrpcServer:
    """Serves a manager's models on a port."""

    def __init__(
        self,
        manager: ModelManager,
        observer: Observer,
        num_threads: int,
        max_pending: int,
        max_message_bytes: int,
    ):
        self._health = health.HealthServicer()
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="grpc-request")
        self._server = grpc.server(
            self._executor,
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                # Otherwise a second server on the same port would silently share its requests.
                ("grpc.so_reuseport", 0),
            ],
            # What comes on top is answered RESOURCE_EXHAUSTED at once.
            maximum_concurrent_rpcs=num_threads + max_pending,
            interceptors=[MalformedMessages()],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(manager, observer), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(manager), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for name in HEALTH_NAMES:
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection(REFLECTED, self._server)

    def start(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Binds and serves; returns the port. Raises OSError naming the address if it cannot."""
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(
                f"Cannot listen on {address}: is another server there? {error}"
            ) from error
        self._server.start()
        return port

    def refuse(self, grace: float | None):
        """Says NOT_SERVING and accepts no more requests.

        Args:
            grace: seconds that requests under way may still take; None cuts them off.

        Returns:
            An event to `wait` for: all requests are answered or cut off.
        """
        self._health.enter_graceful_shutdown()
        return self._server.stop(grace)

    def close(self) -> None:
        """Ends the threads, once what runs in them has ended."""
        self._executor.shutdown()
