"""albert-tf: ALBERT from raw text to a served model; one verb per job."""

import argparse
import dataclasses
import json
import os
import sys
import textwrap
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import albert_tf
from albert_tf.json_object import read_json_object
from albert_tf.quiet import load_tensorflow
from albert_tf.training.fields import as_values, build, is_required, item_of, key_of, kinds_of
from albert_tf.verbs.examples import EXAMPLES
from albert_tf.verbs.table import VERBS

RECIPES = Path(albert_tf.__file__).parent / "training" / "recipes"
# What a user can mend: a wrong value, a file that is missing or in the way, a missing package.
BAD_INPUT = (ValueError, OSError, ModuleNotFoundError)


def main(argv=None) -> int:
    """Runs one verb.

    Returns:
        The exit code: 0; 1 where the job ended without a result; 2 for input that a user can
        mend, with a message on stderr.
    """
    options = vars(_parser().parse_args(argv))
    verb, debug = options.pop("verb"), options.pop("debug")
    try:
        return _start(VERBS[verb], options, quiet=not debug) or 0
    except BAD_INPUT as error:
        if debug:
            traceback.print_exc()
        print(f"albert-tf {verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"albert-tf {verb}: interrupted", file=sys.stderr)
        return 130


def _start(job, options, quiet):
    recipe, dry_run = options.pop("recipe"), options.pop("dry_run")
    values = read_recipe(recipe) if recipe else {}
    where = f"The recipe {recipe}" if recipe else "The command line"
    verb = build(job, values | options, where)
    if dry_run and not hasattr(verb, "describe"):
        print(json.dumps(as_values(verb), indent=2))
        return 0
    if quiet and getattr(verb, "needs_tensorflow", True):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        load_tensorflow()
    return verb.describe() if dry_run else verb.start()


def read_recipe(name) -> dict:
    """Reads the values of a recipe: a JSON file, or the name of one that comes with the package.

    The key `about` may hold a note; it sets nothing.

    Raises:
        FileNotFoundError: neither a file nor a name that we ship.
        ValueError: not a JSON object.
    """
    path = Path(name)
    if not path.is_file():
        path = RECIPES / f"{name}.json"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in RECIPES.glob("*.json")))
        raise FileNotFoundError(f"There is no recipe file {name}. Recipes by name: {shipped}.")
    values = read_json_object(path)
    values.pop("about", None)
    return values


class _PrintCompletion(argparse.Action):
    """Prints what a shell needs; shtab is loaded here alone, as small environments have none."""

    def __call__(self, parser, namespace, values, option_string=None):
        try:
            import shtab
        except ModuleNotFoundError:
            parser.error("--print-completion needs the package shtab: pip install shtab")
        if values not in shtab.SUPPORTED_SHELLS:
            known = ", ".join(shtab.SUPPORTED_SHELLS)
            parser.error(f"--print-completion must be one of {known}: got {values}")
        flags = list(_flags_of(parser))
        paths = {flag.dest for flag in flags if flag.type is Path}
        for flag in flags:
            # A value that leads has no type of its own, see `_add_flag`.
            if flag.type is Path or (not flag.option_strings and flag.dest in paths):
                flag.complete = shtab.FILE
        print(shtab.complete(parser, values))
        parser.exit(0)


def _flags_of(parser):
    """The flags of a parser and of its verbs."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _flags_of(verb)


def _parser():
    parser = argparse.ArgumentParser(prog="albert-tf", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        metavar="SHELL",
        default=argparse.SUPPRESS,
        help="what a shell needs to complete verbs and flags",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for name, job in VERBS.items():
        summary = job.__doc__.strip().partition("\n")[0]
        flags = verbs.add_parser(
            name,
            help=summary,
            description=textwrap.fill(job.__doc__.strip()),
            epilog="\n  ".join(["examples:", *EXAMPLES[name]]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        for field in dataclasses.fields(job):
            _add_flag(flags, field)
        flags.add_argument("--recipe", metavar="FILE", help="JSON file of values; flags override")
        flags.add_argument(
            "--dry-run", action="store_true", help="print the resolved values and do nothing"
        )
        flags.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def _add_flag(parser, field):
    name = "--" + key_of(field).replace("_", "-")
    text = field.metadata["help"].replace("%", "%%")
    if is_required(field):
        text += " (required)"
    elif field.default not in (None, ()):
        text += f" (default: {field.default})"
    # Suppressed, so that only what the user typed overrides a recipe.
    shared = {"dest": key_of(field), "default": argparse.SUPPRESS, "help": text}
    kind = kinds_of(field)[0]
    if kind is bool:
        parser.add_argument(name, action=argparse.BooleanOptionalAction, **shared)
    elif kind is tuple:
        parser.add_argument(
            name, action="extend", nargs="+", type=item_of(field), metavar="X", **shared
        )
    else:
        choices = field.metadata.get("choices")
        metavar = None if choices else kind.__name__.upper()
        parser.add_argument(name, type=kind, choices=choices, metavar=metavar, **shared)
        if field.metadata.get("may_lead"):
            # Without a type, which argparse would apply to the mark for no value; `build` has it.
            shared = {"default": argparse.SUPPRESS, "help": f"the same as {name}"}
            parser.add_argument(key_of(field), nargs="?", metavar=metavar, **shared)


def _version():
    try:
        return f"albert-tf {version('albert-tf')}"
    except PackageNotFoundError:
        return f"albert-tf {albert_tf.__version__} (not installed)"


if __name__ == "__main__":
    sys.exit(main())
