"""Follows a model list that may change while the server runs."""

import logging
import threading
from pathlib import Path

from albert_tf.serving.config_files import read_model_list
from albert_tf.serving.errors import ServingError
from albert_tf.serving.manager import ModelManager

logger = logging.getLogger(__name__)


class ConfigPoller:
    """Reads a model list again and again; a wrong one is logged, and changes nothing.

    The file has the last word: it also takes back what a HandleReloadConfigRequest has changed.
    """

    def __init__(self, manager: ModelManager, path: str | Path, seconds: float):
        self._manager, self._path, self._seconds = manager, path, seconds
        self._stop = threading.Event()
        self._complaint = ""
        self._thread = threading.Thread(target=self._poll, name="config-poll", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._stop.wait(self._seconds):
            complaint = ""
            try:
                configs = read_model_list(self._path)
                if configs != self._manager.configs():
                    self._manager.configure(configs)
                    logger.info("Serving what %s lists now", self._path)
            except ServingError as error:
                complaint = str(error)
                if complaint != self._complaint:
                    logger.error("The model list in use stays: %s", complaint)
            self._complaint = complaint
