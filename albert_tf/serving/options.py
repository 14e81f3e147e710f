"""How a server serves: TensorFlow Serving's flags, as one value."""

import os
from dataclasses import dataclass
from pathlib import Path

MAX_MESSAGE_BYTES = 2**31 - 1
# More threads than this wait for a batch to no avail.
MOST_THREADS = 256


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What can be said about a server besides its models and ports.

    Attributes:
        poll_seconds: how often to look for new versions; None for never
            (`--file_system_poll_wait_seconds`).
        model_config_file: the model list in place of `models`.
        model_config_poll_seconds: how often to read it again; 0 for never
            (`--model_config_file_poll_wait_seconds`).
        labels_for_unavailable: accept labels of versions that are not loaded
            (`--allow_version_labels_for_unavailable_models`).
        enable_batching: run requests together; implied by `batching_parameters_file`.
        batching_parameters_file: see `batching_options`; None for the defaults.
        per_model_batching: every version's `batching_params.pbtxt` says how it is batched
            (`--enable_per_model_batching_parameters`).
        monitoring_config_file: switches the metrics on, under the path that it names.
        ssl_config_file: key and certificate of gRPC. REST stays in the clear, as in
            TensorFlow Serving.
        rest_timeout: seconds that a REST request may take (`--rest_api_timeout_in_ms`).
        max_message_bytes: largest request of either kind.
        num_threads: requests answered at once; by default 4 per processor, and with batching
            twice the rows of a batch, so that one batch can form while another runs.
        max_pending: requests of either kind that may wait for such a thread; more are refused
            with RESOURCE_EXHAUSTED, over REST with 503.
        bfloat16: let TensorFlow compute in bfloat16 what stands it, where the processor has it
            (`--mixed_precision=bfloat16`).
    """

    poll_seconds: float | None = 1.0
    model_config_file: str | Path | None = None
    model_config_poll_seconds: float = 0.0
    labels_for_unavailable: bool = False
    enable_batching: bool = False
    batching_parameters_file: str | Path | None = None
    per_model_batching: bool = False
    monitoring_config_file: str | Path | None = None
    ssl_config_file: str | Path | None = None
    rest_timeout: float = 30.0
    max_message_bytes: int = MAX_MESSAGE_BYTES
    num_threads: int | None = None
    max_pending: int = 200
    bfloat16: bool = False

    @property
    def batches(self) -> bool:
        """Whether requests run together."""
        return (
            self.enable_batching
            or self.batching_parameters_file is not None
            or self.per_model_batching
        )

    def threads_for(self, largest_batch: int) -> int:
        """Returns the number of requests to answer at once; `largest_batch` 1 for no batching."""
        if self.num_threads is not None:
            return self.num_threads
        return max(4 * (os.cpu_count() or 1), min(2 * largest_batch, MOST_THREADS))
