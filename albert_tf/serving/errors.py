"""The one family of errors that the server answers and the client raises.

Each error is a gRPC status: a code and a message. The messages of the server are TensorFlow
Serving's own, so that a client written for one reads the other.
"""

import grpc

MESSAGE_LIMIT = 1024

# TensorFlow, gRPC and `google.rpc.Code` number their codes alike.
CODE_OF_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


class ServingError(Exception):
    """A status other than OK.

    Attributes:
        code: `grpc.StatusCode`.
        message: what the server said, cut as TensorFlow Serving cuts it.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


class InvalidRequestError(ServingError, ValueError):
    """The request cannot be answered as it is; sending it again will not help."""


class NotFoundError(ServingError, LookupError):
    """No such model, or no such version of it."""


class DeadlineExceededError(ServingError, TimeoutError):
    """The answer did not come within the caller's time limit."""


class ServerUnavailableError(ServingError, ConnectionError):
    """Nobody answers at that address, or the server is stopping."""


_CLASS_OF_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.UNAVAILABLE: ServerUnavailableError,
}


def serving_error(code: grpc.StatusCode, message: str) -> ServingError:
    """Returns the error of the class that fits `code`."""
    return _CLASS_OF_CODE.get(code, ServingError)(code, message)


def invalid_argument(message: str) -> ServingError:
    return serving_error(grpc.StatusCode.INVALID_ARGUMENT, message)


def failed_precondition(message: str) -> ServingError:
    return serving_error(grpc.StatusCode.FAILED_PRECONDITION, message)


def not_found(message: str) -> ServingError:
    return serving_error(grpc.StatusCode.NOT_FOUND, message)


def cut_message(message: str) -> str:
    """Shortens a message for the wire, where TensorFlow Serving shortens it."""
    if len(message) <= MESSAGE_LIMIT:
        return message
    return message[:MESSAGE_LIMIT] + "...TRUNCATED"
