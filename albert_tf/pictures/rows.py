"""Rows of pretraining as a person reads them: what is masked, and which passages were swapped."""

from html import escape

import numpy as np

from albert_tf.pictures.html import Html, stack

_HIDDEN = '<span style="background:{};color:black;border-radius:3px;padding:0 2px">{}</span>'
_COLOURS = {"[MASK]": "#fff3a3", "another": "#ffd3c2", "itself": "#c4efcd"}


def show_rows(batch, tokenizer, num_rows=3) -> Html:
    """Rows of a batch of pretraining, their pieces apart by thin spaces.

    What is masked is marked: yellow where the model sees [MASK], red where it sees another piece,
    green where it sees the piece itself; the piece that it must find stands behind it.

    Args:
        batch: fields of `records.batches`, of which the first rows are shown.
        tokenizer: `AlbertTokenizer` of the vocabulary that the rows were made with.
        num_rows: how many to show.
    """
    fields = {name: np.asarray(values)[:num_rows] for name, values in batch.items()}
    rows = [
        _row({name: values[i] for name, values in fields.items()}, tokenizer)
        for i in range(len(fields["token_ids"]))
    ]
    return stack(rows)


def _row(row, tokenizer):
    is_counted = row["mask_weights"] > 0
    wanted = dict(zip(row["mask_positions"][is_counted], row["mask_ids"][is_counted], strict=True))
    parts = []
    for place in range(int(row["padding_mask"].sum())):
        seen = tokenizer.id_to_token(int(row["token_ids"][place]))
        word, stands_apart, _ = tokenizer.vocabulary.form(seen)
        shown = " " * stands_apart + escape(word)
        if place in wanted:
            true = tokenizer.id_to_token(int(wanted[place]))
            kind = "[MASK]" if seen == "[MASK]" else "itself" if seen == true else "another"
            true = f"<small>{escape(tokenizer.vocabulary.form(true).word)}</small>"
            shown = " " + _HIDDEN.format(_COLOURS[kind], f"{shown.strip()} {true}")
        elif seen in ("[CLS]", "[SEP]"):
            shown = f' <b style="color:#888">{shown}</b>'
        parts.append(shown)
    order = "swapped" if row["sentence_order_label"] else "in order"
    return f'<p style="line-height:1.9;max-width:55em"><b>{order}:</b> {"".join(parts)}</p>'
