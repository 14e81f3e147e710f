"""Asks about many texts at once: `python export/predict_async.py "A fine day." "Too long."`

One connection carries all requests; a semaphore keeps them to as many as the server takes at once,
and what it refuses because it is busy is asked again a little later.
"""

import argparse
import asyncio
import random

import grpc
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from albert_tf.serving import messages

BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


async def ask(stub, model, text, places, attempts=8):
    """Returns output name -> value for one text."""
    request = messages.predict_request(
        messages.model_spec(model, "", None, None), {"text": [text]}, ()
    )
    for attempt in range(1, attempts + 1):
        try:
            async with places:
                reply = await stub.Predict(request, timeout=10)
        except grpc.aio.AioRpcError as error:
            if error.code() not in BUSY or attempt == attempts:
                raise
            await asyncio.sleep(random.random() * 0.05 * 2**attempt)
        else:
            return {name: values[0] for name, values in messages.outputs(reply).items()}


async def ask_all(address, model, texts, at_once=16):
    """Returns the answers in the order of the texts."""
    places = asyncio.Semaphore(at_once)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = PredictionServiceStub(channel)
        return await asyncio.gather(*(ask(stub, model, text, places) for text in texts))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--address", default="127.0.0.1:8500")
    parser.add_argument("--model", default="albert")
    options = parser.parse_args(arguments)
    answers = asyncio.run(ask_all(options.address, options.model, options.texts))
    for text, answer in zip(options.texts, answers, strict=True):
        print(text)
        for name, value in answer.items():
            print(f"  {name}: {value}")


if __name__ == "__main__":
    main()
