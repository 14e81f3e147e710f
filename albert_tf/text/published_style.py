"""What the files beside a published vocabulary say of the clean-up that it goes with."""

from pathlib import Path

from albert_tf.json_object import read_json_object

# Settings of transformers' BertTokenizer whose other value is a clean-up that the original lacks.
_FIXED = {"do_basic_tokenize": True, "tokenize_chinese_chars": True}


def published_style(directory) -> dict:
    """What the `tokenizer_config.json` in a directory says of the style of its vocabulary.

    Args:
        directory: of Hugging Face's files. Without the file, as beside the original's, or without
            the keys the style is that of the published English and Chinese models.

    Returns:
        `lowercase` and `keep_accents`, as `AlbertTokenizer` takes them.

    Raises:
        ValueError: the file holds no JSON object, or asks for what the tokenizer cannot do.
    """
    path, values = Path(directory) / "tokenizer_config.json", {}
    if path.is_file():
        values = read_json_object(path)
    lowercase, strips = values.get("do_lower_case", True), values.get("strip_accents")
    for name, only in _FIXED.items():
        if values.get(name, only) != only:
            raise ValueError(
                f"{path}: {name} must be {only}, as in the original's tokenizer: got "
                f"{values[name]!r}. Tokenize with transformers, and give the model ids."
            )
    if strips and not lowercase:
        raise ValueError(
            f"{path}: strip_accents goes with do_lower_case: got {strips!r} and {lowercase!r}. "
            "The original strips accents of small letters only."
        )
    keeps = strips is not None and not strips
    return {"lowercase": lowercase, "keep_accents": values.get("keep_accents", keeps)}
