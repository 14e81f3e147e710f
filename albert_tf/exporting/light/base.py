"""What the answers of all tasks have in common on a device."""

from albert_tf.exporting.light.rows import pack


class LightAnswers:
    """What the answers of a task have in common.

    Args:
        description: of the file.
        tokenizer: `DeviceTokenizer`.
        run: runs rows of ids.

    Attributes:
        inputs, optional: names of the texts of a row.
    """

    inputs: tuple[str, ...] = ("text",)
    optional: tuple[str, ...] = ()

    def __init__(self, description, tokenizer, run):
        self.description, self.tokenizer, self.run = description, tokenizer, run
        self.settings = description["answers"]
        self.limit = min(description["text"]["sequence_length"], run.longest)

    def numbers(self, text, text_pair=None):
        """The file's numbers for one text or pair."""
        second = None if text_pair is None else self.tokenizer.encode(text_pair)
        row = pack(self.tokenizer, self.limit, self.tokenizer.encode(text), second)
        return self.run([row])[0]
