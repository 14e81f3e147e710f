"""A second model with the weights of a first one: plain, without additions of low rank."""

import keras


def copy_of(model, **config_changes):
    """Builds the same task anew, with the same weights.

    LoRA's additions are added to the weights that they stand beside, so that the copy needs none.
    The copy is made for the strategy that holds here, whatever the model was made for, and has an
    optimizer of its own that has taken no step.

    Args:
        model: a task of ours; its preprocessor is shared.
        **config_changes: fields of `AlbertConfig` that shall have other values.

    Returns:
        A model of the same class.
    """
    config = model.get_config() | {"preprocessor": None}
    if config_changes:
        config["backbone"]["config"]["config"] |= config_changes
    copy = type(model).from_config(config)
    copy.preprocessor = model.preprocessor
    copy_weights(model, copy)
    return copy


def copy_weights(model, copy):
    """Gives the weights of a model, LoRA's merged, to a copy that has none of these additions."""
    merged = _merged_kernels(model)
    values = {v.path: merged.get(v.path, v) for v in model.weights}
    for variable in copy.weights:
        value = values[variable.path]
        # Values, not variables, which may live on other devices.
        variable.assign(keras.ops.convert_to_numpy(value))


def _merged_kernels(model):
    """Path -> kernel, of all layers with additions."""
    layers = [layer for layer in model._flatten_layers() if getattr(layer, "lora_enabled", False)]
    return {layer._kernel.path: layer.kernel for layer in layers}
