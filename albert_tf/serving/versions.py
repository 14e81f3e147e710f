"""Which version directories a base path offers, and which of them a model should serve."""

from collections.abc import Collection, Iterable
from pathlib import Path

from tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from albert_tf.serving.errors import invalid_argument, not_found

VersionPolicy = FileSystemStoragePathSourceConfig.ServableVersionPolicy
PLATFORM = "tensorflow"


def model_config(name: str, base_path: str | Path) -> ModelConfig:
    """Describes a model as TensorFlow Serving's `--model_config_file` does."""
    return ModelConfig(
        name=name, base_path=str(Path(base_path).absolute()), model_platform=PLATFORM
    )


def check_configs(configs: Iterable[ModelConfig]) -> None:
    """Raises unless every model has a name of its own, a base path and a platform we know."""
    names = set()
    for config in configs:
        if not config.name or not config.base_path:
            raise invalid_argument(
                "Every model needs a name and a base_path: got "
                f"name {config.name!r}, base_path {config.base_path!r}."
            )
        if config.name in names:
            raise invalid_argument(
                f"Illegal to list model {config.name} multiple times in config list"
            )
        names.add(config.name)
        if not Path(config.base_path).is_absolute():
            raise invalid_argument(
                f"Expected model {config.name} to have an absolute path or URI; "
                f"got base_path()={config.base_path}"
            )
        if config.model_platform != PLATFORM:
            raise invalid_argument(
                f"model_platform of model {config.name} must be {PLATFORM!r}: "
                f"got {config.model_platform!r}."
            )


def find_versions(name: str, base_path: Path) -> dict[int, Path]:
    """Returns number -> directory for the children whose whole name is a number.

    Raises:
        ServingError: `base_path` does not exist.
    """
    if not base_path.is_dir():
        raise not_found(f"Could not find base path {base_path} for servable {name}")
    return {
        int(child.name): child
        for child in sorted(base_path.iterdir())
        if child.name.isascii() and child.name.isdigit() and child.is_dir()
    }


def wanted_versions(found: Collection[int], policy: VersionPolicy) -> list[int]:
    """Applies a version policy; returns the newest first. The default is the latest one."""
    newest_first = sorted(found, reverse=True)
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return newest_first
    if choice == "specific":
        return [number for number in newest_first if number in policy.specific.versions]
    return newest_first[: policy.latest.num_versions or 1]


def directory_stamp(directory: Path) -> tuple:
    """Changes when a file below `directory` does; tells a finished copy from a broken one."""
    stamp = []
    for path in sorted(directory.rglob("*")):
        try:
            status = path.stat()
        except FileNotFoundError:
            # The directory is being written or removed as we look.
            continue
        stamp.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(stamp)


def how_to_fix(base_path: Path) -> str:
    """Says why a base path that was just given offers no version."""
    if not base_path.is_dir():
        return f"There is no directory {base_path}."
    if (base_path / "saved_model.pb").is_file():
        return (
            f"{base_path} is itself a SavedModel: give its parent, and name the directory by a "
            "version number."
        )
    return f"{base_path} holds no directory whose name is a version number, such as {base_path}/1."
