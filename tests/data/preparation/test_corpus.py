import pytest

from albert_tf.data.preparation.corpus import SMALLEST_TASK, TextFile, deal_tasks, find_files


@pytest.fixture
def folder(tmp_path):
    """A corpus of three files, and what does not belong to it."""
    others = ("cover.jpg", ".git/x.txt", "b/.2.md.swp.md", "b/vocab.txt")
    for name in ("b/2.md", "b/1.txt.gz", "a.jsonl", *others):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    return tmp_path


def test_a_folder_gives_its_text_files_by_name_and_their_format_by_suffix(folder):
    found = [(file.name, file.format, file.size) for file in find_files([folder])]
    assert found == [("a.jsonl", "jsonl", 4), ("b/1.txt.gz", "file", 4), ("b/2.md", "markdown", 4)]


def test_files_and_patterns_in_any_order_give_each_file_once(folder):
    texts = [folder / "b" / "2.md", folder / "**" / "*", str(folder / "b") + "/../a.jsonl"]
    assert find_files(texts) == find_files([folder])


def test_a_pattern_may_begin_as_the_name_of_a_file_does(folder):
    # Behind the signs come ".jsonl", which is no hidden file, and "cab.txt", which is a vocabulary.
    assert [file.name for file in find_files([folder / "a*.jsonl"])] == ["a.jsonl"]
    with pytest.raises(FileNotFoundError, match="gives none"):
        find_files([folder / "b" / "vo*.txt"])


def test_names_do_not_depend_on_where_the_corpus_stands(folder, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "deep"
    names = [file.name for file in find_files([folder / "b"])]
    folder.rename(moved)
    assert [file.name for file in find_files([moved / "b"])] == names == ["1.txt.gz", "2.md"]


def test_a_format_that_is_named_holds_for_every_file(folder):
    found = {file.name: file.format for file in find_files([folder], "blank-line")}
    assert found == dict.fromkeys(["a.jsonl", "b/1.txt.gz", "b/2.md", "cover.jpg"], "blank-line")


def test_a_file_of_unknown_suffix_must_be_explained(folder):
    with pytest.raises(ValueError, match=r"cover\.jpg .* --format"):
        find_files([folder / "cover.jpg"])


@pytest.mark.parametrize("text", ["absent.txt", "*.md", "*.jpg"])
def test_what_gives_no_file_is_refused(folder, text):
    with pytest.raises(FileNotFoundError, match=rf"{text[1:]} gives none"):
        find_files([folder, folder / text])


def test_a_path_of_another_file_system_needs_beam():
    with pytest.raises(ValueError, match="gs://bucket/x.txt. Give a --runner"):
        find_files(["gs://bucket/x.txt"])


def test_other_file_systems_are_named_and_filtered_alike():
    listing = {f"gs://bucket/books/{n}": (9, 1) for n in ("a.md", ".b/c.md", "d/e.md", "f.jpg")}
    found = find_files(["gs://bucket/books"], match=lambda pattern: listing)
    assert [(f.path, f.name) for f in found] == [
        ("gs://bucket/books/a.md", "a.md"),
        ("gs://bucket/books/d/e.md", "d/e.md"),
    ]


def test_tasks_cover_each_byte_of_lines_once_and_keep_books_whole():
    sizes = {"a.jsonl": 3 * SMALLEST_TASK + 5, "b.md": 2 * SMALLEST_TASK, "c.md": 7, "d.jsonl": 0}
    formats = {"jsonl": "jsonl", "md": "markdown"}
    files = [
        TextFile(f"/x/{name}", name, formats[name.partition(".")[2]], size, 0)
        for name, size in sizes.items()
    ]
    tasks = deal_tasks(files)
    pieces = [(piece.name, piece.begin, piece.end) for task in tasks for piece in task]
    cuts = [0, SMALLEST_TASK, 2 * SMALLEST_TASK, 3 * SMALLEST_TASK, None]
    assert pieces == [
        *(("a.jsonl", begin, end) for begin, end in zip(cuts[:-1], cuts[1:], strict=True)),
        *((name, 0, None) for name in ("b.md", "c.md", "d.jsonl")),
    ]
    assert [len(task) for task in tasks] == [1, 1, 1, 1, 1, 2]  # the large book stands alone
