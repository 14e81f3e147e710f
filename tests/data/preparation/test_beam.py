"""The same preparation on Apache Beam. Run with `-m slow` where the extra [data] is installed."""

import shutil
from pathlib import Path

import pytest

beam = pytest.importorskip("apache_beam", reason="needs the extra albert-tf[data]")

from apache_beam.io.filesystem import FileMetadata  # noqa: E402
from apache_beam.io.localfilesystem import LocalFileSystem  # noqa: E402

from albert_tf import cli  # noqa: E402
from albert_tf.data.preparation import beam as on_beam  # noqa: E402
from albert_tf.data.preparation import corpus, rows  # noqa: E402
from albert_tf.data.preparation.settings import PreparationSettings  # noqa: E402

pytestmark = pytest.mark.slow
SETTINGS = {"sequence_length": 16, "shards": 2, "held_out": 0.5}
PROCESSES = ["direct_num_workers=2", "direct_running_mode=multi_processing"]


class Store(LocalFileSystem):
    """An object store: names with slashes, no folders; kept in a local folder."""

    folder: Path

    @classmethod
    def scheme(cls):
        return "store"

    def has_dirs(self):
        return False

    def _url_dirname(self, url):
        return url.rpartition("/")[0]

    def _local(self, url):
        return str(self.folder / url.removeprefix("store://"))

    def _path_open(self, path, mode, *args):
        Path(self._local(path)).parent.mkdir(parents=True, exist_ok=True)
        return super()._path_open(self._local(path), mode, *args)

    def create(self, path, *args, **kwargs):
        return self._path_open(path, "wb", *args, *kwargs.values())

    def exists(self, path):
        return Path(self._local(path)).is_file()

    def delete(self, paths):
        for path in paths:
            Path(self._local(path)).unlink()

    def _list(self, prefix):
        for path in self.folder.rglob("*"):
            url = f"store://{path.relative_to(self.folder)}"
            if path.is_file() and url.startswith(prefix):
                about = path.stat()
                yield FileMetadata(url, about.st_size, about.st_mtime)


@pytest.fixture
def store(tmp_path, monkeypatch):
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setattr(Store, "folder", folder, raising=False)
    return folder


def on_runner(texts, vocabulary, out, options=(), **settings):
    settings = PreparationSettings(**SETTINGS | settings)
    return on_beam.prepare_with_beam(texts, vocabulary, out, settings, "DirectRunner", options)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"masking": "static", "copies": 2, "echoes": 0.5, "sequence_length": 40},
        {"objective": "nsp"},
    ],
    ids=str,
)
def test_one_process_gives_the_bytes_of_a_local_run(
    books, vocabulary, tmp_path, prepare_books, digests, monkeypatch, settings
):
    monkeypatch.setattr(corpus, "SMALLEST_TASK", 1)
    monkeypatch.setattr(corpus, "LARGEST_TASK", 1)
    monkeypatch.setattr(rows, "BATCH_CHARACTERS", 3000)
    on_runner([books], vocabulary, tmp_path / "beam", **settings)
    assert digests(tmp_path / "beam") == digests(prepare_books("local", **settings))
    assert not (tmp_path / "beam.partial").exists()


def test_several_processes_give_the_bytes_of_a_local_run(
    books, vocabulary, tmp_path, prepare_books, digests, monkeypatch, capsys
):
    monkeypatch.setenv("PYTHONPATH", str(Path(cli.__file__).parents[1]))
    flags = {"--texts": books, "--vocabulary": vocabulary, "--out": tmp_path / "beam"}
    flags |= {"--sequence-length": 40, "--shards": 2, "--held-out": 0.5, "--echoes": 0.5}
    argv = [str(word) for pair in flags.items() for word in pair]
    argv += ["--runner", "DirectRunner", "--beam-options", *PROCESSES]
    assert cli.main(["prepare", *argv]) == 0
    assert "train" in capsys.readouterr().out
    local = prepare_books("local", sequence_length=40, echoes=0.5)
    assert digests(tmp_path / "beam") == digests(local)


def test_other_file_systems_are_read_and_written(books, vocabulary, store, prepare_books, digests):
    shutil.copytree(books, store / "corpus")
    on_runner(["store://corpus"], vocabulary, "store://made/records")
    assert digests(store / "made" / "records") == digests(prepare_books("local"))
    with pytest.raises(FileExistsError, match=r"store://made/records/manifest\.json does"):
        on_runner(["store://corpus"], vocabulary, "store://made/records")


@pytest.mark.parametrize(
    ("runner", "given"),
    [
        ("DataflowRunner", ["project=p", "region=r", "temp_location=gs://b/t", "num_workers=9"]),
        ("FlinkRunner", ["flink_master=h:8081", "environment_type=EXTERNAL", "parallelism=64"]),
        ("SparkRunner", ["spark_master_url=spark://h:7077", "environment_config=h:50000"]),
    ],
)
def test_options_of_each_runner_are_passed_through(runner, given):
    options = on_beam.pipeline_options(runner, given).get_all_options(drop_default=True)
    assert options["runner"] == runner
    assert {f"{name}={value}" for name, value in options.items()} >= set(given)


def test_an_unknown_option_is_refused(books, vocabulary, tmp_path):
    with pytest.raises(ValueError, match="must be ones that it knows: got 'direct_workers'"):
        on_runner([books], vocabulary, tmp_path / "beam", ["direct_workers=2"])


def test_an_error_of_a_worker_names_the_file(vocabulary, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(cli.__file__).parents[1]))
    (tmp_path / "a.txt").write_bytes(b"one\n\ntw\xffo")
    with pytest.raises(ChildProcessError, match=r"failed on DirectRunner: .*a\.txt, line 3"):
        on_runner([tmp_path / "a.txt"], vocabulary, tmp_path / "out", PROCESSES, held_out=0)
    assert not (tmp_path / "out").exists()


def test_shards_without_rows_are_refused(books, vocabulary, tmp_path):
    with pytest.raises(ValueError, match="Every shard needs rows"):
        on_runner([books], vocabulary, tmp_path / "out", shards=500)
    assert list(tmp_path.iterdir()) == []
