"""Brings notebooks into the form that they are stored in: no outputs, no counts, fixed ids.

    python notebooks/tidy.py            # all of them; before every commit
    python notebooks/tidy.py --repository OWNER/NAME    # and where Colab finds them

A notebook is edited as any other, in Jupyter; this file knows no more than the standard library.
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

HERE = Path(__file__).parent
# No GitHub account can have an underscore in its name: nobody else answers to this address.
REPOSITORY = "your_organisation/albert-tf"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def tidied(notebook: dict, repository: str = REPOSITORY) -> dict:
    """The same notebook in the form that it is stored in.

    Args:
        notebook: the JSON of an `.ipynb` file.
        repository: `owner/name` on GitHub, for the badge and the line that installs.
    """
    cells, taken = [], set()
    for cell in notebook["cells"]:
        text = "".join(cell["source"]).strip("\n")
        text = re.sub(r"(github\.com/|\.com/github/)[\w.-]+/albert-tf", rf"\1{repository}", text)
        new = {
            "cell_type": cell["cell_type"],
            "id": cell.get("id") or _id_of(text, taken),
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        taken.add(new["id"])
        if new["cell_type"] == "code":
            new |= {"execution_count": None, "outputs": []}
        cells.append(new)
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def as_text(notebook: dict) -> str:
    """The JSON as it is stored."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _id_of(text, taken):
    number, found = 0, None
    while found is None or found in taken:
        found = hashlib.sha256(f"{number}{text}".encode()).hexdigest()[:8]
        number += 1
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repository", default=REPOSITORY, help="owner/name on GitHub")
    repository = parser.parse_args().repository
    for path in sorted(HERE.glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        after = as_text(tidied(json.loads(before), repository))
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"tidied {path.name}")


if __name__ == "__main__":
    main()
