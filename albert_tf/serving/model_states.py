"""The states of a model's versions, and what they say about it.

A version goes through the states START, LOADING, AVAILABLE, UNLOADING, END.
"""

from dataclasses import dataclass, field
from pathlib import Path

from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from albert_tf.serving.batched_servable import BatchedServable
from albert_tf.serving.errors import ServingError, failed_precondition, not_found
from albert_tf.serving.servable import Servable
from albert_tf.serving.versions import directory_stamp, how_to_fix

State = ModelVersionStatus


@dataclass
class Version:
    """One version of a model; `servable` is there while the state is AVAILABLE or UNLOADING."""

    number: int
    directory: Path
    state: int = State.START
    servable: Servable | BatchedServable | None = None
    error: ServingError | None = None
    stamp: tuple = ()
    requests: int = 0


@dataclass
class Model:
    """A model that is configured, and the versions of it that were ever seen."""

    config: ModelConfig
    versions: dict[int, Version] = field(default_factory=dict)
    complaint: str = ""

    def available(self) -> list[Version]:
        return [v for v in self.versions.values() if v.state == State.AVAILABLE]


def needs_loading(version: Version | None, directory: Path) -> bool:
    """Tells whether a version that is wanted should be loaded now."""
    if version is None:
        return True
    if version.error is not None:
        # It may have been found half copied: try again when its files have changed.
        return version.stamp != directory_stamp(directory)
    return version.state == State.END


def check_servable(config: ModelConfig, model: Model) -> None:
    """Raises unless some version can answer."""
    if not model.available():
        errors = [version.error for version in model.versions.values() if version.error]
        if errors:
            raise errors[0]
        raise not_found(
            f"No version of model {config.name} can be served. {how_to_fix(Path(config.base_path))}"
        )


def check_labels(config: ModelConfig, model: Model) -> None:
    """Raises unless every label names a version that can answer."""
    available = {version.number for version in model.available()}
    for label, number in config.version_labels.items():
        if number not in available:
            raise failed_precondition(
                f"Request to assign label {label} to version {number} of model {config.name}, "
                "which is not currently available for inference"
            )


def version_status(version: Version) -> ModelVersionStatus:
    """Tells the state of a version as GetModelStatus does."""
    status = ModelVersionStatus(version=version.number, state=version.state)
    # Present even when it says OK, as TensorFlow Serving sends it.
    status.status.SetInParent()
    if version.error is not None:
        status.status.error_code = version.error.code.value[0]
        status.status.error_message = version.error.message
    return status
