"""What stands at a path: which kind of checkpoint, its configuration, its vocabulary."""

import re
from dataclasses import dataclass
from pathlib import Path

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.config import PRESETS
from albert_tf.json_object import read_json_object

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
TORCH_SUFFIXES = (".bin", ".pth", ".pt")
_VOCABULARIES = (("*.model", "spiece.model", "30k-clean.model"), ("*vocab*.txt", "vocab.txt"))
PRESET_VOCABULARIES = ("vocabulary.spm", "vocabulary.txt")
VOCABULARY_NAMES = (
    "spiece.model, 30k-clean.model, another *.model, vocab.txt or another *vocab*.txt"
)


@dataclass(frozen=True)
class CheckpointFiles:
    """Where a checkpoint is.

    Args:
        kind: `tf1`, `hugging_face` or `preset`.
        weights: file, TF1 prefix, or the directory of a preset.
        directory: where configuration and vocabulary are looked for.
    """

    kind: str
    weights: Path
    directory: Path


def find_checkpoint(path):
    """Says what checkpoint stands at `path`.

    Args:
        path: a directory, a TF1 prefix, a file of weights, or the name of a model that comes with
            the package; what stands at the path goes before the name.

    Raises:
        FileNotFoundError: there is nothing, or nothing that is a checkpoint.
        CheckpointError: there are several, so that one must be named.
    """
    if is_shipped(path) and not Path(path).exists():
        path = PRESETS / path
    path = Path(path)
    if path.is_dir():
        return _in_directory(path)
    if path.is_file() and path.suffix in (".safetensors", *TORCH_SUFFIXES):
        return CheckpointFiles("hugging_face", path, path.parent)
    prefix = Path(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", str(path)))
    if Path(f"{prefix}.index").is_file():
        return CheckpointFiles("tf1", prefix, prefix.parent)
    raise FileNotFoundError(
        f"There is no checkpoint at {path}: neither a directory, nor a file of weights "
        f"(.safetensors, {', '.join(TORCH_SUFFIXES)}), nor a TF1 prefix with {prefix}.index beside "
        "it."
    )


def is_shipped(name):
    """Whether the weights of the preset `name` come with the package."""
    return (PRESETS / name / SAFETENSORS[0]).is_file()


def _in_directory(directory):
    config = directory / "config.json"
    if config.is_file() and "registered_name" in read_json(config):
        return CheckpointFiles("preset", directory, directory)
    found = [CheckpointFiles("tf1", prefix, directory) for prefix in _tf1_prefixes(directory)]
    weights = [directory / name for name in SAFETENSORS if (directory / name).is_file()][:1]
    weights = weights or _torch_files(directory)
    found += [CheckpointFiles("hugging_face", file, directory) for file in weights]
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(
            f"{directory} holds several checkpoints. Name one of them: "
            f"{', '.join(str(files.weights) for files in found)}."
        )
    raise FileNotFoundError(
        f"{directory} holds no checkpoint: looked for a preset (config.json with registered_name), "
        f"{', '.join(SAFETENSORS)}, pytorch_model.bin (or one *.pth), and one TF1 *.index."
    )


def _torch_files(directory):
    usual = directory / "pytorch_model.bin"
    if usual.is_file():
        return [usual]
    return sorted(file for file in directory.iterdir() if file.suffix in TORCH_SUFFIXES[1:])


def _tf1_prefixes(directory):
    # The second is the layout of a TF-Hub module.
    for place in (directory, directory / "variables"):
        state = place / "checkpoint"
        if state.is_file():
            text = state.read_text(encoding="utf-8")
            named = re.search(r'^model_checkpoint_path:\s*"([^"]+)"', text, re.MULTILINE)
            # The file may have been moved since: only the name counts.
            prefix = named and place / Path(named[1]).name
            if not prefix or not Path(f"{prefix}.index").is_file():
                raise FileNotFoundError(
                    f"{state} names {named and named[1]!r}, but there is no {prefix}.index."
                )
            return [prefix]
        indices = sorted(place.glob("*.index")) if place.is_dir() else []
        if indices:
            return [index.with_suffix("") for index in indices]
    return []


def read_json(path):
    """The object in a JSON file.

    Raises:
        CheckpointError: the file holds no JSON object.
    """
    try:
        return read_json_object(path)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def find_config(files):
    """The configuration beside a published checkpoint, or None.

    Raises:
        CheckpointError: several files could be it.
    """
    if files.kind == "hugging_face":
        path = files.directory / "config.json"
        return path if path.is_file() else None
    for place in _places(files.directory):
        usual = place / "albert_config.json"
        if usual.is_file():
            return usual
        others = [p for p in sorted(place.glob("*config*.json")) if "tokenizer" not in p.name]
        if len(others) > 1:
            raise CheckpointError(
                f"Several files could be the configuration: {', '.join(map(str, others))}. Call "
                "one albert_config.json, or give config=AlbertConfig.from_json(path)."
            )
        if others:
            return others[0]
    return None


def vocabulary_of(checkpoint):
    """The vocabulary that belongs to a checkpoint of any kind.

    Args:
        checkpoint: as for `find_checkpoint`.

    Raises:
        FileNotFoundError: there is no checkpoint, or it has no vocabulary.
        CheckpointError: several files could be it.
    """
    files = find_checkpoint(checkpoint)
    found = vocabulary_beside(files)
    if found is None:
        raise FileNotFoundError(
            f"The checkpoint in {files.directory} has no vocabulary beside it: looked for "
            f"{'one of a preset' if files.kind == 'preset' else VOCABULARY_NAMES}."
        )
    return found


def vocabulary_beside(files):
    """The vocabulary of a checkpoint, or None.

    Args:
        files: `CheckpointFiles`.

    Raises:
        CheckpointError: several files could be it.
    """
    if files.kind != "preset":
        return find_vocabulary(files.directory)
    assets = files.directory / "assets" / "tokenizer"
    return next((assets / n for n in PRESET_VOCABULARIES if (assets / n).is_file()), None)


def find_vocabulary(directory):
    """The vocabulary beside a published checkpoint, or None.

    A SentencePiece model goes before a `vocab.txt`: a listing of its pieces may have that name.

    Raises:
        CheckpointError: several files could be it.
    """
    for place in _places(directory):
        for pattern, *usual in _VOCABULARIES:
            named = [place / name for name in usual if (place / name).is_file()]
            found = named[:1] or sorted(place.glob(pattern))
            if len(found) > 1:
                raise CheckpointError(
                    f"Several files could be the vocabulary: {', '.join(map(str, found))}. Call "
                    f"the right one {usual[0]}."
                )
            if found:
                return found[0]
    return None


def _places(directory):
    places = (directory, directory / "assets", directory.parent / "assets")
    # The last is where a TF-Hub module keeps them when its variables are named.
    return places if directory.name == "variables" else places[:2]
