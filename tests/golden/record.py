"""Records what other programs answer, so that a bare clone can prove parity with them.

    python tests/golden/record.py keras_hub      # needs what albert_tf needs
    python tests/golden/record.py transformers   # needs torch (CPU) and transformers: [bench]

Each writes below its own name in this folder. All weights are drawn wide from seed 0: with the
usual 0.02 the models would be almost linear, and a wrong activation would go unseen. The files in
the repository were recorded from keras_hub 0.32.0 (TensorFlow 2.21.0) and from transformers
5.23.0 (torch 2.13.0, eager attention).
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
VOCAB_SIZE, SEQ_LEN = 40, 8
SIZES = {
    "vocab_size": VOCAB_SIZE,
    "embedding_size": 6,
    "hidden_size": 12,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
}


def batch(rng):
    """Two rows of ids, two segments, the second row padded from its sixth token on."""
    ids = rng.integers(5, VOCAB_SIZE, (2, SEQ_LEN))
    mask = np.ones((2, SEQ_LEN), "int64")
    mask[1, 5:] = 0
    segments = np.zeros((2, SEQ_LEN), "int64")
    segments[:, 3:] = 1
    return {"token_ids": ids * mask, "segment_ids": segments * mask, "padding_mask": mask}


def draw(shape, is_scale, rng):
    """Wide weights; the scales of a norm stand around 1."""
    values = rng.normal(0, 0.3, shape).astype("float32")
    return values + is_scale


def record_keras_hub():
    """Weights by path and both outputs of keras_hub's AlbertBackbone, two groups of one layer."""
    import keras_hub

    rng = np.random.default_rng(0)
    model = keras_hub.models.AlbertBackbone(
        vocabulary_size=SIZES["vocab_size"],
        num_layers=SIZES["num_hidden_layers"],
        num_heads=SIZES["num_attention_heads"],
        embedding_dim=SIZES["embedding_size"],
        hidden_dim=SIZES["hidden_size"],
        intermediate_dim=SIZES["intermediate_size"],
        num_groups=2,
        num_inner_repetitions=1,
        max_sequence_length=SIZES["max_position_embeddings"],
    )
    weights = {}
    for weight in model.weights:
        weights[weight.path] = draw(weight.shape, weight.path.endswith("gamma"), rng)
        weight.assign(weights[weight.path])
    inputs = batch(rng)
    outputs = model.predict(inputs, verbose=0)
    arrays = {f"weights/{name}": value for name, value in weights.items()}
    arrays |= {f"inputs/{name}": value.astype("int32") for name, value in inputs.items()}
    arrays |= {f"outputs/{name}": np.asarray(value) for name, value in outputs.items()}
    np.savez_compressed(HERE / "keras_hub" / "backbone.npz", **arrays)


# Folder -> class, and what its configuration has of its own. The first has groups, inner groups
# and the exact GELU of Hugging Face's v1 configurations; the last is saved by torch.
HEADS = {
    "pretraining": (
        "AlbertForPreTraining",
        {"num_hidden_groups": 2, "inner_group_num": 2, "hidden_act": "gelu"},
    ),
    "masked_lm": ("AlbertForMaskedLM", {"hidden_act": "relu"}),
    "sequence_classification": ("AlbertForSequenceClassification", {"num_labels": 3}),
    "token_classification": ("AlbertForTokenClassification", {"num_labels": 5}),
    "question_answering": ("AlbertForQuestionAnswering", {}),
    "multiple_choice": ("AlbertForMultipleChoice", {}),
    "bare": ("AlbertModel", {}),
}


def record_transformers():
    """A directory for each head as transformers writes it, and the outputs of all in one file."""
    import torch
    import transformers

    folder, rng = HERE / "transformers", np.random.default_rng(0)
    inputs = batch(rng)
    arrays = {f"inputs/{name}": value.astype("int32") for name, value in inputs.items()}
    names = ("input_ids", "token_type_ids", "attention_mask")
    tensors = dict(zip(names, map(torch.tensor, inputs.values()), strict=True))
    for head, (name, own) in HEADS.items():
        config = transformers.AlbertConfig(**SIZES, **own, attn_implementation="eager")
        model = getattr(transformers, name)(config).eval()
        with torch.no_grad():
            for path, weight in model.named_parameters():
                is_scale = "norm" in path.lower() and path.endswith("weight")
                weight.copy_(torch.tensor(draw(tuple(weight.shape), is_scale, rng)))
            choices = {k: v[None] if head == "multiple_choice" else v for k, v in tensors.items()}
            outputs = model(**choices, output_hidden_states=True, output_attentions=True)
        model.save_pretrained(folder / head)
        for key in outputs:
            if key in ("hidden_states", "attentions") and head != "pretraining":
                continue
            value = outputs[key]
            value = np.stack([v.numpy() for v in value]) if isinstance(value, tuple) else value
            arrays[f"{head}/{key}"] = np.asarray(value, "float32")
    # The older file format, of the last model, which is the smallest.
    torch.save(model.state_dict(), folder / "bare" / "pytorch_model.bin")
    whole = torch.arange(12.0).reshape(3, 4)
    views = {"whole": whole, "tail": whole[1:, 1:], "turned": whole.T, "half": whole.half()}
    torch.save(views, folder / "views.bin")
    np.savez_compressed(folder / "outputs.npz", **arrays)
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}))


RECORDERS = {"keras_hub": record_keras_hub, "transformers": record_transformers}

if __name__ == "__main__":
    if sys.argv[1:] not in [[name] for name in RECORDERS]:
        sys.exit(f"usage: record.py {' | '.join(RECORDERS)}")
    (HERE / sys.argv[1]).mkdir(exist_ok=True)
    RECORDERS[sys.argv[1]]()
