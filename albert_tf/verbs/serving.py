"""The verb that answers for models over the network."""

from dataclasses import dataclass

from albert_tf.training.fields import flag


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Answer over TF Serving's gRPC and REST API until interrupted."""

    model: tuple[str, ...] = flag("NAME=DIR; DIR holds numbered versions; may be repeated")
    port: int = flag("of gRPC", default=8500)
    rest_port: int = flag("of REST; 0 for none", default=8501)
    host: str | None = flag("address to listen on; keeps to the embedded server", default=None)
    embedded: bool = flag("not tensorflow_model_server, even where it exists", default=False)

    def __post_init__(self):
        names = [entry.partition("=")[0] for entry in self.model]
        for entry in self.model:
            name, _, folder = entry.partition("=")
            if not name or not folder:
                raise ValueError(f"--model must be NAME=DIR: got {entry!r}.")
        if len(set(names)) < len(names):
            raise ValueError(f"Each --model needs a name of its own: got {', '.join(names)}.")

    def start(self):
        from albert_tf.serving.errors import ServingError
        from albert_tf.serving.server import serve

        models = {name: folder for name, _, folder in (m.partition("=") for m in self.model)}
        try:
            return serve(
                models,
                self.port,
                self.rest_port,
                self.host,
                embedded=self.embedded,
                ready=lambda grpc, rest: print(f"gRPC on {grpc}, REST on {rest}", flush=True),
            )
        except ServingError as error:
            raise ValueError(str(error)) from error
