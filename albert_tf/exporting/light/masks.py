"""Words for the masks of a text, on a device."""

import re

from albert_tf.exporting.light.base import LightAnswers
from albert_tf.exporting.light.rows import pack
from albert_tf.text.device_tokenizer import repaired
from albert_tf.text.filling import MASK, put_pieces


class MaskAnswers(LightAnswers):
    """`filled` and `masks`, as the export of `AlbertMaskedLM` for servers gives them."""

    def answer(self, text):
        text = repaired(text)
        ids = self._ids(text)
        mask_id = self.tokenizer.mask_id
        masks = [place for place, index in enumerate(ids) if index == mask_id]
        room = self.limit - 2
        start = 0
        if masks:
            if masks[-1] - masks[0] >= room:
                raise ValueError(
                    f"The masks of a text must lie within {room} pieces, which is what the model "
                    f"reads: they are {masks[-1] - masks[0] + 1} pieces apart."
                )
            middle = (masks[0] + masks[-1] + 1) // 2
            start = min(max(middle - room // 2, 0), max(len(ids) - room, 0))
        row = pack(self.tokenizer, self.limit, ids[start : start + room])
        positions = [place - start + 1 for place in masks]
        output = self.run([row], mask_positions=positions or [0])[0]
        return self._read(text, output)

    def _ids(self, text):
        """Ids of a text, [MASK] where it says so."""
        ids, model = [], self.tokenizer.model
        for number, part in enumerate(text.split(MASK)):
            if number:
                ids.append(self.tokenizer.mask_id)
            found = self.tokenizer.encode(part)
            if number and found and part and not part[0].isspace():
                # What follows a mask without a space is not the beginning of a word.
                inner = model.behind_mask(found[0])
                found = ([] if inner is None else [inner]) + found[1:]
            ids += found
        return ids

    def _read(self, text, output):
        masks, best, form = [], [], self.tokenizer.model.form
        for number, match in enumerate(re.finditer(re.escape(MASK), text)):
            pieces = [self.tokenizer.model.pieces[i] for i in output["piece_ids"][number]]
            chances = output["probability"][number].tolist()
            words = [
                {"word": form(piece).word, "piece": piece, "probability": chance}
                for piece, chance in zip(pieces, chances, strict=True)
            ]
            best.append(pieces[0])
            masks.append({"start": match.start(), "end": match.end(), "words": words})
        return {"filled": put_pieces(text, best, form), "masks": masks}
