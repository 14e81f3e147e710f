import subprocess
import sys
import time

import pytest

import albert_tf

HEAVY = ("tensorflow", "keras", "keras_hub", "numpy", "sklearn", "matplotlib", "grpc")


def test_the_import_loads_nothing_heavy():
    code = f"import albert_tf, sys; print([m for m in {HEAVY} if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "[]", printed.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys, contextlib, albert_tf.cli as c\n"
        "with contextlib.suppress(SystemExit): c.main(['--help'])\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip().endswith("[]"), printed.stdout + printed.stderr


@pytest.mark.parametrize("name", [n for n in albert_tf.__all__ if n != "__version__"])
def test_every_name_of_the_front_door_opens(name):
    assert getattr(albert_tf, name).__name__.split(".")[-1] == name


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(AttributeError, match="no 'AlbertModel'.*AlbertBackbone"):
        albert_tf.AlbertModel  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize("command", [["-c", "import albert_tf"], ["-m", "albert_tf.cli", "--help"]])
def test_import_and_help_take_less_than_half_a_second(command):
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5
