"""The peer of `serving.py`: transformers on torch behind the simplest gRPC server.

Needs torch, transformers and grpcio, and nothing of ours, so that it runs in an environment of its
own: `python serving_peer.py DIRECTORY`. It prints its address, and serves until its standard input
ends. A request is a text in UTF-8; the answer is the logits, float32.
"""

import os
import sys
from concurrent import futures

try:
    import grpc
    import torch
    import transformers
    from tokenizers import Tokenizer
except ImportError as error:
    sys.exit(f"the peer needs torch, transformers and grpcio: {error}. Install the [bench] extra.")


def classifier(directory):
    """Returns a function from the bytes of a request to the bytes of its answer."""
    torch.set_num_threads(os.cpu_count())
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    tokenizer.enable_truncation(512)
    model = transformers.AlbertForSequenceClassification.from_pretrained(directory).eval()

    def answer(request, context):
        ids = torch.tensor([tokenizer.encode(request.decode()).ids])
        with torch.inference_mode():
            return model(ids).logits[0].float().numpy().tobytes()

    return answer


def main(directory):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    method = grpc.unary_unary_rpc_method_handler(classifier(directory))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("peer.Classifier", {"Classify": method})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"peer on 127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(None).wait()


if __name__ == "__main__":
    main(sys.argv[1])
