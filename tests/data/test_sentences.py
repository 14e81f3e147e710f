import pytest

from albert_tf.data.sentences import MAX_CHARACTERS, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. A met J. Smith, e.g. Here. So.", ["Mr. A met J. Smith, e.g. Here.", "So."]),
        ('"Yes." "No." (Really.) So', ['"Yes."', '"No."', "(Really.)", "So"]),
        ("“Oh!” “No…” École. 3 mice.", ["“Oh!”", "“No…”", "École.", "3 mice."]),
        ("It is 3.14 or so. no capital", ["It is 3.14 or so. no capital"]),
        ("  Over\n two   lines.\tThen ", ["Over two lines.", "Then"]),
        (" \n ", []),
        ("今天下雨。你去吗？不去！3点", ["今天下雨。", "你去吗？", "不去！", "3点"]),
        (
            "“走吧！”他说。 A dog（真的？！）Yes.",
            ["“走吧！”", "他说。", "A dog（真的？！）", "Yes."],
        ),
    ],
)
def test_sentences_end_where_a_reader_would_say(text, sentences):
    assert split_sentences(text) == sentences


def test_text_without_ends_is_cut_at_spaces_and_nothing_is_lost():
    text = "word " * 5000 + "x" * 5000
    parts = split_sentences(text)
    assert max(map(len, parts)) <= MAX_CHARACTERS
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(part.startswith("word") for part in parts[:12])


@pytest.mark.parametrize("part", ["Mr. ", "A. ", '"', ".", " ", "? ", "a", "。", "”。"])
def test_half_a_megabyte_of_one_thing_takes_no_time(part):
    # Quadratic search would take minutes; the suite's patience is the measure.
    split_sentences("A" + part * (400_000 // len(part)))
