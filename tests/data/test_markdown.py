import pytest

from albert_tf.data.markdown import HEADING, plain_text


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("The _white_ kitten, *very* **white**.", "The white kitten, very white."),
        ("___All___ and _two words_", "All and two words"),
        ("snake_case_name and 2*3*4", "snake_case_name and 2*3*4"),
        ("a * b _ c", "a * b _ c"),
        ("See [the page](http://x.y/z) ![a cat](cat.png).", "See the page a cat."),
        ("Use `code` here", "Use code here"),
        ("> quoted\n> twice", "quoted\ntwice"),
        ("- one\n* two\n+ three", "one\ntwo\nthree"),
        ("1. It was the year 1902.", "1. It was the year 1902."),
        ("*       *       *", ""),
        ("-------", ""),
        ("```python", ""),
        ("--and then he said--", "--and then he said--"),
        ("Tom &amp; Jerry <b>met</b><br/>", "Tom & Jerry  met  "),
        ("&#65;&#x42;&#" + "9" * 5000 + ";&#" + "0" * 9 + "67;", "AB\ufffdC"),
        (r"1 \* 2 \_ 3", "1 * 2 _ 3"),
        ("5 < 6 & 7 > 2", "5 < 6 & 7 > 2"),
    ],
)
def test_marks_go_and_words_stay(marked, plain):
    assert plain_text(marked) == plain


@pytest.mark.parametrize("line", ["# A", "##  CHAPTER I", "   ### deep\n"])
def test_a_heading_is_told_from_text(line):
    assert HEADING.match(line) and not HEADING.match("#hashtag " + line)


@pytest.mark.parametrize("part", ["*", "_ ", "[", "<", "<!-- ", "`", "\\", "> ", " *x", "_x "])
def test_half_a_megabyte_of_marks_takes_no_time(part):
    # Quadratic search would take hours; the suite's patience is the measure.
    plain_text(part * (400_000 // len(part)))
