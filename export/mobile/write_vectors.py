"""Writes `vectors.json`: what `DeviceTokenizer` gives, for the tests of its ports.

    python export/mobile/write_vectors.py

The vocabulary is the one that comes with the package, `albert_tf/presets/books_small`.
"""

import json
from pathlib import Path

import albert_tf
from albert_tf.exporting.light.rows import pack
from albert_tf.text.device_tokenizer import DeviceTokenizer, Token

HERE = Path(__file__).parent
VOCABULARY = Path(albert_tf.__file__).parent / "presets/books_small/spiece.model"
STYLES = [(True, False), (True, True), (False, False), (False, True)]
TEXTS = [
    "",
    " \t\n\u3000 ",
    "The old house stood at the end of the lane.",
    "  Two\tspaces,\u00a0and\u2003three   more \n",
    "She paid 3, 14, 1,000 or 21,99 pounds; in 1897, it was less.",
    "“Never,” she said – “not for £5, nor €6!” …",
    "Zoë's naïve café façade; Zoe\u0308's nai\u0308ve cafe\u0301.",
    "ΟΔΥΣΣΕΥΣ and Σ, ΑΣ. İstanbul, STRASSE, Straße",
    "ﬁne ﬂames ½ ① ² ⑶ ３，４ Ⅷ ㎏ ﷺ",
    "각 \u1100\u1161\u11a8 日本語 中文 😀👩\u200d👩 e\u0323\u0301 \u0301x",
    "zero\u200bwidth \ufeffmark, soft\u00adhyphen, \x00 and \x01 control",
    "[CLS] is text here, <pad> and [MASK] too",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "a\u0345\u0301\u0334b ก็ เก้า हिन्दी עִבְרִית العَرَبِيَّة",
]
ROWS = [
    ("A short text.", None, 16, 16),
    ("A short text.", None, 8, 12),
    ("It is far too long for a row of so few tokens, and so its end is cut.", None, 12, 12),
    ("The first text.", "And the second one.", 24, 32),
    ("A long first text is cut, for it is the longer one of both.", "A second.", 14, 14),
    ("A first.", "A long second text is cut, for it is the longer one of both.", 14, 14),
    ("Both of these texts are long, and room is short.", "Both of these texts are long.", 13, 13),
    ("", "", 8, 8),
]


def vectors():
    """The content of the file: `tokens` of texts, and `rows` of one text or two."""
    proto = VOCABULARY.read_bytes()
    tokenizers = {style: DeviceTokenizer(proto, *style) for style in STYLES}
    tokens = []
    for style, tokenizer in tokenizers.items():
        for text in TEXTS:
            found = tokenizer.tokenize(text)
            entry = {"text": text, "lowercase": style[0], "keep_accents": style[1]}
            entry |= {f"{name}s": [getattr(t, name) for t in found] for name in Token._fields}
            tokens.append(entry)
    tokenizer = tokenizers[STYLES[0]]
    rows = []
    for first, second, limit, width in ROWS:
        pair = None if second is None else tokenizer.encode(second)
        row = pack(tokenizer, limit, tokenizer.encode(first), pair)
        fill = [0] * (width - len(row.token_ids))
        rows.append(
            {
                "text": first,
                "text_pair": second,
                "limit": limit,
                "width": width,
                "token_ids": row.token_ids + [tokenizer.pad_id for _ in fill],
                "segment_ids": row.segment_ids + fill,
                "input_length": len(row.token_ids),
            }
        )
    return {
        "vocabulary": "albert_tf/presets/books_small/spiece.model",
        "tokens": tokens,
        "rows": rows,
    }


def content():
    """A line an entry, so that a change shows as one."""
    found = vectors()
    lines = [f'{{"vocabulary": {json.dumps(found["vocabulary"])}']
    for name in ("tokens", "rows"):
        entries = ",\n".join(json.dumps(entry, ensure_ascii=True) for entry in found[name])
        lines.append(f'"{name}": [\n{entries}\n]')
    return ",\n".join(lines) + "}\n"


if __name__ == "__main__":
    (HERE / "vectors.json").write_text(content(), encoding="utf-8")
