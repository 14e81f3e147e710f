import pytest
import tensorflow as tf

from albert_tf.text.words import join_words, word_spans


def words(text):
    starts, ends = word_spans(tf.constant([text]))
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return [text[a:b] for a, b in zip(starts[0].numpy(), ends[0].numpy(), strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paris, (U.S.-based)", "Paris | , | ( | U.S.-based | )"),
        ("@anna's #1 film!", "@anna's | #1 | film | !"),
        ("London,Paris 1,000.5%", "London | , | Paris | 1,000.5 | %"),
        ("see https://t.co/a?b=c.", "see | https://t.co/a?b=c | ."),
        ("cafe\u0301\u00a0にほん ☃👩\u200d", "cafe\u0301 | にほん | ☃ | 👩"),
        ("我去北京看NBA,𠀀！", "我 | 去 | 北 | 京 | 看 | NBA | , | 𠀀 | ！"),
        (b"a\xff b", "a | � | b"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_words_stand_where_the_text_has_them(text, expected):
    assert words(text) == [word for word in expected.split(" | ") if word]


def test_joined_words_are_found_again():
    given = [["I", "é日", "x"], [], ["y"]]
    text, starts, ends = join_words(tf.ragged.constant(given))
    texts = [t.decode() for t in text.numpy()]
    assert texts == ["I é日 x", "", "y"]
    spans = zip(texts, starts.to_list(), ends.to_list(), strict=True)
    assert [[t[a:b] for a, b in zip(s, e, strict=True)] for t, s, e in spans] == given
