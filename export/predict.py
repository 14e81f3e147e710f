"""Asks a server about some texts over gRPC: `python export/predict.py "A fine day." "Too long."`"""

import argparse

from albert_tf.serving.client import Client


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--address", default="127.0.0.1:8500")
    parser.add_argument("--model", default="albert")
    options = parser.parse_args(arguments)
    with Client(options.address, timeout=10) as client:
        outputs = client.predict(options.model, {"text": options.texts})
    for number, text in enumerate(options.texts):
        print(text)
        for name, values in outputs.items():
            print(f"  {name}: {values[number]}")


if __name__ == "__main__":
    main()
