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


class MalformedMessages(grpc.ServerInterceptor):
    """Says INTERNAL to a message that cannot be parsed.

    For calls with one request; a stream of them is left to grpcio.
    """

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        def parse(message: bytes):
            try:
                return handler.request_deserializer(message)
            except DecodeError:
                return _MALFORMED

        def answer(request, context: grpc.ServicerContext):
            if request is _MALFORMED:
                context.abort(grpc.StatusCode.INTERNAL, COMPLAINT)
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(answer, parse, handler.response_serializer)
