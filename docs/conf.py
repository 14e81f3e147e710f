"""The documentation site: `python -m sphinx -W --keep-going -q docs build/docs`."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(Path(__file__).parent / "_extensions"), str(Path(__file__).parents[1])]

import albert_tf  # noqa: E402

project = "albert-tf"
author = "the authors of albert-tf"
version = release = albert_tf.__version__
copyright = f"{author}, Apache License 2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "docstrings",  # our docstrings are Markdown where they say more than words
    "command_line",  # tables of flags, out of the dataclasses of the verbs
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_extensions", "_static"]
html_theme = "furo"
html_title = f"albert-tf {version}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_copyright = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # pages of others may begin at their second level

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
# What a class inherits from Keras and keras_hub is documented there.
autodoc_default_options = {"members": True, "inherited-members": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [
    ("Call arguments", "params_style"),
    ("Class attributes", "params_style"),
]
default_role = "literal"  # one backtick is code


def _read(app, docname, source):
    """Links to the file of `export/` lead to its page here."""
    up = "../" * docname.count("/")
    source[0] = source[0].replace(f"]({up}../export/README.md)", f"]({up}operators.md)")


def setup(app):
    app.connect("source-read", _read)
