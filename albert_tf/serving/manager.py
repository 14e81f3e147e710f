"""Keeps the right versions of every model loaded while requests come in.

The new version is loaded before the old one is let go, and one that fails to load never replaces
one that works.
"""

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from albert_tf.serving.batched_servable import BatchedServable
from albert_tf.serving.errors import (
    ServingError,
    invalid_argument,
    not_found,
)
from albert_tf.serving.loading import Loader
from albert_tf.serving.model_states import (
    Model,
    State,
    Version,
    check_labels,
    check_servable,
    needs_loading,
    version_status,
)
from albert_tf.serving.servable import Servable
from albert_tf.serving.versions import (
    check_configs,
    directory_stamp,
    find_versions,
    wanted_versions,
)

logger = logging.getLogger(__name__)


class ModelManager:
    """Loads, hands out and lets go the versions of some models."""

    def __init__(
        self,
        poll_seconds: float | None = 1.0,
        loader: Loader | None = None,
        labels_for_unavailable: bool = False,
    ):
        """Args: poll_seconds: how often to look for new versions; None for never."""
        self._models: dict[str, Model] = {}
        self._poll_seconds = poll_seconds
        self._loader = loader or Loader()
        self._labels_for_unavailable = labels_for_unavailable
        # Guards every field above; also tells that a request has finished.
        self._changed = threading.Condition()
        # Held through a whole load or unload: one thread at a time rearranges the models.
        self._rearranging = threading.Lock()
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="version-poll", daemon=True)

    def start(self, configs: Sequence[ModelConfig]) -> None:
        """Loads every model and begins to look for new versions; raises as `configure`."""
        self.configure(configs)
        if self._poll_seconds is not None:
            self._poller.start()

    def configure(self, configs: Sequence[ModelConfig]) -> None:
        """Makes `configs` the models that are served. On an error everything stays as it was.

        Raises:
            ServingError: a config is wrong, or a model has no version that loads.
        """
        check_configs(configs)
        with self._rearranging:
            models: dict[str, Model] = {}
            try:
                for config in configs:
                    old = self._models.get(config.name)
                    moved = old is None or old.config.base_path != config.base_path
                    models[config.name] = model = Model(config) if moved else old
                    self._load_wanted(model, config)
                    check_servable(config, model)
                    if not self._labels_for_unavailable:
                        check_labels(config, model)
            except ServingError:
                self._unload_models(m for m in models.values() if m not in self._models.values())
                raise
            with self._changed:
                retired = [m for m in self._models.values() if m not in models.values()]
                self._models = models
                for config in configs:
                    models[config.name].config = config
            for model in models.values():
                self._follow_directory(model)
            self._unload_models(retired)

    def configs(self) -> list[ModelConfig]:
        """Returns the models that are served, as they were configured."""
        with self._changed:
            return [model.config for model in self._models.values()]

    def knows(self, name: str) -> bool:
        """Tells whether a model of that name is configured."""
        return name in self._models

    @contextlib.contextmanager
    def lease(self, spec: ModelSpec) -> Iterator[Servable | BatchedServable]:
        """Hands out the version that `spec` names; it stays loaded inside the block.

        Raises:
            ServingError: no such model, version or label, or not available.
        """
        with self._changed:
            version = self._find(spec)
            version.requests += 1
        try:
            yield version.servable
        finally:
            with self._changed:
                version.requests -= 1
                self._changed.notify_all()

    def _find(self, spec: ModelSpec) -> Version:
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        number = self._version_number(spec)
        model = self._models.get(spec.name)
        available = {v.number: v for v in model.available()} if model else {}
        if number is None:
            if not available:
                raise not_found(f"Servable not found for request: Latest({spec.name})")
            return available[max(available)]
        if number not in available:
            raise not_found(f"Servable not found for request: Specific({spec.name}, {number})")
        return available[number]

    def _version_number(self, spec: ModelSpec) -> int | None:
        choice = spec.WhichOneof("version_choice")
        if choice == "version":
            return spec.version.value
        if choice is None:
            return None
        model = self._models.get(spec.name)
        if model is None or spec.version_label not in model.config.version_labels:
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        return model.config.version_labels[spec.version_label]

    def status(self, spec: ModelSpec) -> list[ModelVersionStatus]:
        """Tells the state of one version, or of all that were ever seen, the newest first."""
        with self._changed:
            number = self._version_number(spec)
            model = self._models.get(spec.name)
            versions = model.versions if model else {}
            if number is not None and number not in versions:
                raise not_found(f"Could not find version {number} of model {spec.name}")
            if not versions:
                raise not_found(f"Could not find any versions of model {spec.name}")
            numbers = sorted(versions, reverse=True) if number is None else [number]
            return [version_status(versions[n]) for n in numbers]

    def close(self) -> None:
        """Stops looking for versions and frees all models, once their requests are answered."""
        self._stop.set()
        if self._poller.is_alive():
            self._poller.join()
        with self._rearranging:
            with self._changed:
                retired, self._models = self._models, {}
            self._unload_models(retired.values())
        self._loader.close()

    def _poll(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            with self._rearranging:
                for model in self._models.values():
                    self._follow_directory(model)

    def _follow_directory(self, model: Model) -> None:
        """Loads the versions that the policy wants, then lets the others go."""
        wanted = self._load_wanted(model, model.config)
        if wanted is None:
            # A base path that is away for a moment must not end the service.
            return
        available = model.available()
        if not wanted or any(version.number in wanted for version in available):
            self._unload(version for version in available if version.number not in wanted)

    def _load_wanted(self, model: Model, config: ModelConfig) -> list[int] | None:
        """Returns the numbers that the policy wants, None if the directory cannot be read."""
        try:
            found = find_versions(config.name, Path(config.base_path))
        except (ServingError, OSError) as error:
            self._complain(model, str(error))
            return None
        self._complain(model, "" if found else f"No versions of servable {config.name} found")
        wanted = wanted_versions(found, config.model_version_policy)
        for number in wanted:
            if needs_loading(model.versions.get(number), found[number]):
                self._load(model, number, found[number])
        return wanted

    def _complain(self, model: Model, complaint: str) -> None:
        if complaint and complaint != model.complaint:
            logger.warning("%s", complaint)
        model.complaint = complaint

    def _load(self, model: Model, number: int, directory: Path) -> None:
        version = Version(number, directory, stamp=directory_stamp(directory))
        with self._changed:
            version.state = State.LOADING
            model.versions[number] = version
        servable, error = None, None
        try:
            servable = self._loader.load(model.config.name, number, directory)
        except ServingError as caught:
            # Where it came from would keep the half-loaded graph, as long as the version is known.
            error = caught.with_traceback(None)
            error.__cause__ = error.__context__ = None
            logger.error("Version %d of %s: %s", number, model.config.name, error)
        with self._changed:
            version.state = State.END if error else State.AVAILABLE
            version.servable = servable
            version.error = error
        if not error:
            logger.info("Version %d of %s is available", number, model.config.name)

    def _unload_models(self, models: Iterable[Model]) -> None:
        for model in models:
            self._unload(model.versions.values())

    def _unload(self, versions: Iterable[Version]) -> None:
        for version in list(versions):
            with self._changed:
                if version.state != State.AVAILABLE:
                    continue
                version.state = State.UNLOADING
                self._changed.wait_for(lambda version=version: version.requests == 0)
                servable, version.servable = version.servable, None
            servable.close()
            with self._changed:
                version.state = State.END
