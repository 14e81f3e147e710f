import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from albert_tf import cli
from albert_tf.training.fields import as_values, build, flag
from albert_tf.training.jobs.table import find_task, options_in
from albert_tf.training.settings import FineTuneSettings
from albert_tf.verbs.examples import EXAMPLES
from albert_tf.verbs.table import VERBS


@dataclass(frozen=True, kw_only=True)
class Greet:
    """Say something."""

    out: Path = flag("a place")
    times: int = flag("how often", default=1)
    rate: float = flag("how fast, in %", default=0.5)
    words: tuple[str, ...] = flag("what to say", default=())
    tone: str = flag("how", choices=("soft", "loud"), default="soft")
    politely: bool = flag("whether to bow", default=True)
    from_: str | None = flag("who", default=None)

    needs_tensorflow = False

    def start(self):
        print(json.dumps(as_values(self)))


@pytest.fixture
def greet(monkeypatch, capsys):
    """Runs the verb above; gives the exit code and what it printed as JSON, or the error."""
    monkeypatch.setattr(cli, "VERBS", {"greet": Greet})
    monkeypatch.setattr(cli, "EXAMPLES", {"greet": ("albert-tf greet --out here",)})

    def run(*argv):
        code = cli.main(["greet", *map(str, argv)])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if code == 0 else printed.err

    return run


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "recipe.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    return write


def test_help_loads_nothing_heavy():
    script = (
        "import sys\nfrom albert_tf.cli import main\n"
        "try: main(['finetune', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'sklearn', 'rich', 'shtab'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--learning-rate" in done.stdout


def test_the_package_runs_as_the_command_does(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["albert_tf", "--version"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("albert_tf", run_name="__main__")
    assert capsys.readouterr().out.startswith("albert-tf ")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([verb, "--help"])
    assert len(capsys.readouterr().out.splitlines()) > 5


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_the_examples_of_a_verb_are_commands_that_it_takes(line):
    name, verb, *flags = shlex.split(line)
    options = vars(cli._parser().parse_args([verb, *flags]))
    recipe = options.pop("recipe")
    options = {k: v for k, v in options.items() if k not in ("verb", "debug", "dry_run")}
    build(VERBS[verb], (cli.read_recipe(recipe) if recipe else {}) | options, line)
    assert (name, line in EXAMPLES[verb]) == ("albert-tf", True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["albert-tf", "fin"], ["finetune"]),
        (["albert-tf", "export", "--quantiz"], ["--quantization"]),
        (["albert-tf", "export", "--format", "tf"], ["tflite"]),
        (["albert-tf", "vocab", "--out", "comp"], ["completion"]),
        (["albert-tf", "evaluate", "comp"], ["completion"]),
    ],
)
def test_bash_completes_verbs_and_flags(words, offered, capsys, tmp_path):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--print-completion", "bash"])
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    script = (
        f"source completion; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; "
        "_shtab_albert_tf; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (offered, "")


@pytest.mark.parametrize(("shell", "message"), [("bash", "pip install shtab"), ("cmd", "got cmd")])
def test_completion_that_cannot_be_had_is_told(shell, message, monkeypatch, capsys):
    if shell == "bash":
        monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["--print-completion", shell])
    assert message in capsys.readouterr().err


def test_flags_become_values_of_the_right_kind(greet):
    code, values = greet(
        *("--out", "x", "--times", "3", "--words", "a", "b", "--words", "c", "--no-politely"),
        *("--from", "me"),
    )
    assert code == 0
    assert values == {
        "out": "x",
        "times": 3,
        "rate": 0.5,
        "words": ["a", "b", "c"],
        "tone": "soft",
        "politely": False,
        "from": "me",
    }


def test_flags_override_the_recipe_and_the_recipe_the_defaults(greet, recipe):
    path = recipe({"about": "a note", "out": "r", "times": 5, "rate": 2, "words": ["a"]})
    _, values = greet("--recipe", path, "--times", "7")
    assert (values["out"], values["times"], values["rate"]) == ("r", 7, 2.0)


def test_a_dry_run_prints_the_values_and_does_nothing(greet, monkeypatch):
    monkeypatch.setattr(Greet, "start", lambda self: pytest.fail("it started"))
    code, values = greet("--out", "x", "--times", 2, "--dry-run")
    assert (code, values["times"]) == (0, 2)


def test_saved_values_build_the_same_job_again():
    job = Greet(out=Path("x"), words=("a",), from_="me")
    assert build(Greet, as_values(job), "the file") == job


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"out": "x", "tims": 3}, r"unknown key 'tims'\. Did you mean 'times'"),
        ({"out": "x", "times": "many"}, "times must be a whole number: got 'many'"),
        ({"out": "x", "times": True}, "times must be a whole number: got True"),
        ({"out": "x", "times": None}, "times must be a whole number: got None"),
        ({"out": "x", "words": [1]}, r"words must be a list: got \[1\]"),
        ({"out": "x", "tone": "shrill"}, "tone must be one of soft, loud: got 'shrill'"),
        ({"times": 3}, "A value is needed for --out"),
        ({"out": "gs://bucket/x"}, "out must be a path on this machine: got gs://bucket/x"),
        ([1], "must hold a JSON object"),
        ("{", "must hold a JSON object"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_reason(greet, recipe, content, message):
    code, error = greet("--recipe", recipe(content))
    assert code == 2
    assert re.search(message, error), error
    assert "Traceback" not in error


def test_a_path_of_another_file_system_is_refused_as_a_flag(greet):
    code, error = greet("--out", "gs://bucket/x")
    assert (code, "out must be a path on this machine: got gs:/bucket/x" in error) == (2, True)


def test_an_unknown_recipe_names_those_that_come_with_the_package(greet):
    code, error = greet("--recipe", "sst2_smal")
    assert code == 2
    assert "sst2_small" in error


def test_debug_shows_where_an_error_came_from(greet, monkeypatch):
    def fail(self):
        raise ValueError("the value is wrong")

    monkeypatch.setattr(Greet, "start", fail)
    assert greet("--out", "x") == (2, "albert-tf greet: the value is wrong\n")
    code, error = greet("--out", "x", "--debug")
    assert (code, "Traceback" in error) == (2, True)


def test_a_fault_of_ours_is_not_dressed_up_as_bad_input(greet, monkeypatch):
    monkeypatch.setattr(Greet, "start", lambda self: {}["absent"])
    with pytest.raises(KeyError):
        greet("--out", "x")


@pytest.mark.parametrize("path", sorted(cli.RECIPES.glob("*.json")), ids=lambda p: p.stem)
def test_every_recipe_that_we_ship_is_valid(path):
    values = cli.read_recipe(path.stem) | {"out": "x"}
    start = {} if "config" in values else {"from": "x"}
    settings = build(FineTuneSettings, values | start, str(path))
    job, building = find_task(settings.task)[1].job(options_in(settings))
    assert building["sequence_length"] == settings.sequence_length


DATA = {"out": "x", "train": "t.tsv", "config": "base", "vocab": "v"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "glue"}, "either --train or --data"),
        ({"train": None, "task": "sst-2", "dev": "d.tsv"}, "brings its own dev rows"),
        ({"from": "dir"}, "either --from .* or --config"),
        ({"vocab": None}, "need a vocabulary"),
        ({"epochs": 0}, "epochs must be at least 1: got 0"),
        ({"warmup_fraction": 1.0}, r"warmup_fraction must be in \[0, 1\)"),
        ({"dev_fraction": 0.0}, r"dev_fraction must be in \(0, 1\)"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"sequence_length": 3}, "at least 4"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build(FineTuneSettings, DATA | changes, "The test")
