"""Answers bytes that are no message, without grpcio's own way, which leaks.

Where the deserializer of a call raises, grpcio (1.85) answers the client and then, when the client
has gone, answers a second time. The second answer is never sent, and keeps the call in memory for
ever: some fifteen kilobytes for every malformed message.
"""

import grpc
from google.protobuf.message import DecodeError

# The words of grpcio.
COMPLAINT = "Exception deserializing request!"
_MALFORMED = object()
# Whether requests and whether responses are streams -> the kind of handler.
_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}


class MalformedMessages(grpc.ServerInterceptor):
    """Says INTERNAL to a message that cannot be parsed, alone or in a stream."""

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if handler is None:
            return handler
        kind = _KINDS[handler.request_streaming, handler.response_streaming]
        behavior = getattr(handler, kind)
        checked = _checked_stream if handler.request_streaming else _checked

        def parse(message: bytes):
            try:
                return handler.request_deserializer(message)
            except DecodeError:
                return _MALFORMED

        def answer(request, context: grpc.ServicerContext):
            return behavior(checked(request, context), context)

        new_handler = getattr(grpc, f"{kind}_rpc_method_handler")
        return new_handler(answer, parse, handler.response_serializer)


def _checked(request, context):
    if request is _MALFORMED:
        context.abort(grpc.StatusCode.INTERNAL, COMPLAINT)
    return request


def _checked_stream(requests, context):
    for request in requests:
        yield _checked(request, context)
