import pytest

from albert_tf.staging import new_directory, new_file


def test_a_directory_appears_when_it_is_whole(tmp_path):
    with new_directory(tmp_path / "run") as staged:
        (staged / "a").write_text("a")
        assert not (tmp_path / "run").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_error_leaves_no_directory_behind(tmp_path):
    with pytest.raises(RuntimeError), new_directory(tmp_path / "run") as staged:
        (staged / "a").write_text("a")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_content_is_never_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old").write_text("old")
    with pytest.raises(FileExistsError, match="run does"), new_directory(tmp_path / "run"):
        pytest.fail("the block must not run")
    assert (tmp_path / "run/old").read_text() == "old"


def test_an_error_leaves_no_file_behind_and_the_old_one_whole(tmp_path):
    file = tmp_path / "f.json"
    file.write_text("old")
    with pytest.raises(RuntimeError), new_file(file, overwrite=True) as staged:
        staged.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.json"]
