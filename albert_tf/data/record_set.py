"""The manifest of a directory of records: what is in it, and that it is all there.

`albert-tf prepare` writes such a directory, see `docs/records.md`; `records.py` (TensorFlow) and
`record_batches.py` (NumPy) read batches from it. No TensorFlow here.
"""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from albert_tf.data.masking_vocabulary import MaskingVocabulary
from albert_tf.data.record_files import RecordError, check_frames
from albert_tf.data.record_rows import RowLimits, check_shard

MANIFEST_FILE = "manifest.json"
# What `albert-tf prepare` calls its copy of a vocabulary, by the kind.
VOCABULARY_FILES = ("vocabulary.model", "vocabulary.txt")
FORMAT_VERSION = 1
TRAIN, HELD_OUT = "train", "held_out"
OBJECTIVES = ("sop", "nsp", "none")
MASKINGS = ("dynamic", "static")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of records, as the manifest describes it."""

    path: Path
    rows: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Split:
    """One part of the records: `train` or `held_out`."""

    name: str
    rows: int
    tokens: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True, kw_only=True)
class RecordSet:
    """A directory of pretraining records whose manifest was read and checked.

    Args:
        directory: where it stands.
        settings: how the records were made, as `albert-tf prepare` wrote it down.
        vocabulary_file: the copy of the vocabulary that the ids belong to.
        vocabulary_sha256, vocabulary_size: of that vocabulary.
        splits: name -> `Split`.
    """

    directory: Path
    settings: dict
    vocabulary_file: Path
    vocabulary_sha256: str
    vocabulary_size: int
    splits: dict[str, Split]

    @classmethod
    def open(cls, directory, vocabulary=None) -> "RecordSet":
        """Reads a directory's manifest and checks that every shard is there in its full size.

        The contents of the shards are checked as they are read; `check` does it beforehand.

        Args:
            directory: what `albert-tf prepare` wrote.
            vocabulary: path or bytes of the vocabulary that training will use; None
                takes the copy in the directory.

        Raises:
            FileNotFoundError: no manifest, or a shard or the vocabulary is missing.
            RecordError: the manifest is unreadable or of another version, a shard has another
                size than it says, or the vocabulary is another one.
        """
        directory = Path(directory)
        manifest = _read_manifest(directory / MANIFEST_FILE)
        try:
            records = _from_manifest(cls, directory, manifest)
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(
                f"{directory / MANIFEST_FILE} does not describe a directory of records: "
                f"{type(error).__name__} {error}. Prepare the records again."
            ) from error
        for split in records.splits.values():
            for shard in split.shards:
                _check_size(shard)
        records.check_vocabulary(records.vocabulary_file)
        if vocabulary is not None:
            records.check_vocabulary(vocabulary)
        return records

    @property
    def sequence_length(self) -> int:
        """Length of a padded row in tokens."""
        return self.settings["sequence_length"]

    @property
    def objective(self) -> str:
        """What the sentence order label means: `sop`, `nsp`, or `none` (nothing)."""
        return self.settings["objective"]

    @property
    def is_masked(self) -> bool:
        """Whether the records were masked when they were written (static masking)."""
        return self.settings["masking"] == "static"

    @property
    def limits(self) -> RowLimits:
        """What every record must keep to."""
        return RowLimits(
            sequence_length=self.sequence_length,
            vocabulary_size=self.vocabulary_size,
            max_predictions=self.settings["max_predictions"] if self.is_masked else None,
        )

    @functools.cached_property
    def vocabulary(self) -> MaskingVocabulary:
        """What masking must know of the vocabulary, read from the copy in the directory."""
        return MaskingVocabulary.read(self.vocabulary_file)

    def split(self, name: str) -> Split:
        """Gives a split by its name.

        Raises:
            RecordError: there is none.
        """
        if name not in self.splits:
            raise RecordError(
                f"{self.directory} has no split {name!r}: it has {', '.join(self.splits)}."
            )
        return self.splits[name]

    def steps_per_epoch(self, batch_size: int, split: str = TRAIN) -> int:
        """Tells how many batches one pass gives.

        A pass over `train` leaves out the rows that fill no batch, other ones in each epoch; the
        last batch of any other split is filled up with empty rows.

        Raises:
            RecordError: `train` has fewer rows than one batch, or the split has no rows.
        """
        rows = self.split(split).rows
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1: got {batch_size}.")
        if rows == 0:
            raise RecordError(f"{self.directory}: the split {split!r} has no rows.")
        if split != TRAIN:
            return -(-rows // batch_size)
        if rows < batch_size:
            raise RecordError(
                f"{self.directory}: the split {split!r} has {rows} rows, fewer than one batch of "
                f"{batch_size}. Use a batch_size of at most {rows}, or prepare more text."
            )
        return rows // batch_size

    def check_vocabulary(self, vocabulary):
        """Raises `RecordError` unless the ids of the records belong to this vocabulary.

        Args:
            vocabulary: path or bytes of one.
        """
        if isinstance(vocabulary, bytes):
            source, proto = "the vocabulary of training", vocabulary
        else:
            source, proto = str(vocabulary), _read_bytes(Path(vocabulary))
        sha256 = hashlib.sha256(proto).hexdigest()
        if sha256 != self.vocabulary_sha256:
            is_own = source == str(self.vocabulary_file)
            advice = "Bring it back" if is_own else f"Train with {self.vocabulary_file}"
            raise RecordError(
                f"The vocabulary must be the one that {self.directory} was prepared with: "
                f"{source} has sha256 {sha256}, the manifest says {self.vocabulary_sha256}. "
                f"{advice}, or prepare the records again with the other one."
            )

    def check(self, decode: bool = True):
        """Reads every record and raises at the first that is damaged.

        Args:
            decode: whether to look at the rows as well, not only at the checksums; takes some
                five times longer.

        Raises:
            RecordError: names the file and the byte offset.
        """
        for split in self.splits.values():
            for shard in split.shards:
                if decode:
                    check_shard(shard.path, shard.rows, self.limits)
                else:
                    check_frames(shard.path)


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"A directory of records needs {path}, which does not exist.")
    return path.read_bytes()


def _read_manifest(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(
            f"Records must be a directory with {MANIFEST_FILE}: there is no {path}. "
            "`albert-tf prepare` writes one, last of all: without it, preparing was not finished."
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"The manifest cannot be read: {path}: {error!r}.") from error
    if version != FORMAT_VERSION:
        raise RecordError(
            f"The format of records must be version {FORMAT_VERSION}: {path} says {version}. "
            "Prepare the records with this version of albert-tf."
        )
    return manifest


def _from_manifest(cls, directory: Path, manifest: dict) -> RecordSet:
    settings = dict(manifest["settings"])
    for name, allowed in (("objective", OBJECTIVES), ("masking", MASKINGS)):
        if settings[name] not in allowed:
            raise RecordError(
                f"{directory / MANIFEST_FILE}: {name} must be one of {', '.join(allowed)}: got "
                f"{settings[name]!r}."
            )
    for name in ("sequence_length", "max_predictions")[: 1 + (settings["masking"] == "static")]:
        if not isinstance(settings[name], int) or settings[name] < 1:
            raise RecordError(
                f"{directory / MANIFEST_FILE}: {name} must be a whole number of at least 1: got "
                f"{settings[name]!r}."
            )
    file = manifest["vocabulary"].get("file", VOCABULARY_FILES[0])
    if file not in VOCABULARY_FILES:
        raise RecordError(
            f"{directory / MANIFEST_FILE}: the vocabulary must be one of "
            f"{', '.join(VOCABULARY_FILES)}: got {file!r}."
        )
    return cls(
        directory=directory,
        settings=settings,
        vocabulary_file=directory / file,
        vocabulary_sha256=manifest["vocabulary"]["sha256"],
        vocabulary_size=manifest["vocabulary"]["size"],
        splits={name: _split(directory, name, entry) for name, entry in manifest["splits"].items()},
    )


def _split(directory: Path, name: str, entry: dict) -> Split:
    shards = tuple(
        Shard(
            path=directory / shard["file"],
            rows=shard["rows"],
            num_bytes=shard["bytes"],
            sha256=shard["sha256"],
        )
        for shard in entry["shards"]
    )
    total = sum(shard.rows for shard in shards)
    if total != entry["rows"]:
        raise RecordError(
            f"{directory / MANIFEST_FILE}: the shards of {name!r} have {total} rows together, the "
            f"split {entry['rows']}. The manifest was changed; prepare the records again."
        )
    return Split(name=name, rows=total, tokens=entry["tokens"], shards=shards)


def _check_size(shard: Shard):
    if not shard.path.is_file():
        raise FileNotFoundError(
            f"The manifest names a shard that is not there: {shard.path}. Copy it again, or "
            "prepare the records again."
        )
    num_bytes = shard.path.stat().st_size
    if num_bytes != shard.num_bytes:
        check_frames(shard.path)  # names the byte where it breaks off
        raise RecordError(
            f"{shard.path} must have {shard.num_bytes} bytes by the manifest: it has {num_bytes}. "
            "Copy it again, or prepare the records again."
        )
