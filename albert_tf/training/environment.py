"""What must be known to repeat a run, besides its settings."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("albert-tf", "keras", "keras-hub", "tensorflow", "tensorflow-text", "jax", "numpy")
SOURCE = Path(__file__).parents[2]


def environment(seed) -> dict:
    """Command, time, versions, commit and machine, as JSON values."""
    return {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seed": seed,
        "commit": _commit(),
        "backend": _backend(),
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def _backend():
    """What Keras computes with; None where it is not used."""
    keras = sys.modules.get("keras")
    return keras and keras.config.backend()


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit():
    """The commit of our source tree, marked when files differ from it; None if installed."""
    if not (SOURCE / ".git").exists():
        return None

    def git(*words):
        return subprocess.run(
            ["git", "-C", SOURCE, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (" with changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
