"""The verb that answers for models over the network."""

from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag

MAX_MESSAGE_BYTES = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Answer over TF Serving's gRPC and REST API until interrupted.

    The flags keep the meaning that they have for `tensorflow_model_server`.
    """

    model: tuple[str, ...] = flag(
        "NAME=DIR; DIR holds numbered versions; may be repeated", default=()
    )
    model_config_file: Path | None = flag("model list, in place of --model", default=None)
    model_config_file_poll_wait_seconds: float = flag(
        "how often to read the model list again; 0 for never", default=0.0
    )
    allow_version_labels_for_unavailable_models: bool = flag(
        "let labels name versions that are not loaded", default=False
    )
    file_system_poll_wait_seconds: float = flag(
        "how often to look for new versions; 0 for never", default=1.0
    )
    port: int = flag("of gRPC", default=8500)
    rest_port: int = flag("of REST; 0 for none", default=8501)
    host: str | None = flag("address to listen on; keeps to the embedded server", default=None)
    embedded: bool = flag("not tensorflow_model_server, even where it exists", default=False)
    enable_batching: bool = flag("run requests together", default=False)
    batching_parameters_file: Path | None = flag(
        "how to, as export/batching_parameters.txt; implies --enable-batching", default=None
    )
    enable_per_model_batching_parameters: bool = flag(
        "batch as every version's batching_params.pbtxt says", default=False
    )
    monitoring_config_file: Path | None = flag(
        "switches Prometheus metrics on, as export/monitoring.config", default=None
    )
    ssl_config_file: Path | None = flag("key and certificate for TLS on gRPC", default=None)
    rest_api_timeout_in_ms: int = flag("longest a REST request may take", default=30_000)
    max_message_bytes: int = flag("largest request", default=MAX_MESSAGE_BYTES)
    grpc_max_threads: int | None = flag("requests answered at once", default=None)
    max_pending: int = flag("requests that may wait; more are refused (embedded)", default=200)
    drain_seconds: float = flag("for requests under way at the end (embedded)", default=10.0)
    bfloat16: bool = flag(
        "multiply in bfloat16 where the processor has it: faster, and a little less exact",
        default=False,
    )

    def __post_init__(self):
        names = [entry.partition("=")[0] for entry in self.model]
        for entry in self.model:
            name, _, folder = entry.partition("=")
            if not name or not folder:
                raise ValueError(f"--model must be NAME=DIR: got {entry!r}.")
        if len(set(names)) < len(names):
            raise ValueError(f"Each --model needs a name of its own: got {', '.join(names)}.")
        if bool(self.model) == bool(self.model_config_file):
            raise ValueError("Give --model or --model-config-file: one of them, and not both.")

    def start(self):
        from albert_tf.serving.errors import ServingError
        from albert_tf.serving.server import serve

        models = {name: folder for name, _, folder in (m.partition("=") for m in self.model)}
        try:
            return serve(
                models or None,
                self.port,
                self.rest_port,
                self.host,
                embedded=self.embedded,
                drain_seconds=self.drain_seconds,
                ready=lambda grpc, rest: print(f"gRPC on {grpc}, REST on {rest}", flush=True),
                **self._options(),
            )
        except ServingError as error:
            raise ValueError(str(error)) from error

    def _options(self) -> dict:
        """The fields of `ServerOptions`."""
        return {
            "poll_seconds": self.file_system_poll_wait_seconds or None,
            "model_config_file": self.model_config_file,
            "model_config_poll_seconds": self.model_config_file_poll_wait_seconds,
            "labels_for_unavailable": self.allow_version_labels_for_unavailable_models,
            "enable_batching": self.enable_batching,
            "batching_parameters_file": self.batching_parameters_file,
            "per_model_batching": self.enable_per_model_batching_parameters,
            "monitoring_config_file": self.monitoring_config_file,
            "ssl_config_file": self.ssl_config_file,
            "rest_timeout": self.rest_api_timeout_in_ms / 1000,
            "max_message_bytes": self.max_message_bytes,
            "num_threads": self.grpc_max_threads,
            "max_pending": self.max_pending,
            "bfloat16": self.bfloat16,
        }
