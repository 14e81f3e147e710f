"""What a checkpoint holds of a model and its optimizer: every variable under one name.

The name is the path of the variable, which does not depend on the backend. Seeds of Keras's
generators are left out: dropout follows from the settings and the step.
"""

import contextlib
import re

import numpy as np

# Runs of the first version numbered their variables, and named the optimizer by its class.
_NUMBERED = re.compile(r"\d{4} (?P<path>.*)")
_OF_OPTIMIZER = re.compile(r"(adam_w|lamb|optimizer)(_\d+)?/")
_OF_SEED = re.compile(r"(^|/)seed_generator_state$")


def named_variables(model, optimizer) -> dict:
    """Name -> Keras variable: all weights, and the optimizer's moments, averages and step."""
    named = {f"model/{variable.path}": variable for variable in model.weights}
    for variable in optimizer.variables:
        named[f"optimizer/{variable.path.partition('/')[2]}"] = variable
    if len(named) != len(model.weights) + len(optimizer.variables):
        raise ValueError("Two variables have one path. Give the layers names of their own.")
    return named


def values_of(model, optimizer) -> dict[str, np.ndarray]:
    """Name -> value, of all that `named_variables` finds."""
    return {name: v.numpy() for name, v in named_variables(model, optimizer).items()}


def assign_values(model, optimizer, values):
    """Puts what `values_of` gave back into an equal model and optimizer.

    Raises:
        ValueError: a value is missing, left over or misshapen: another model or optimizer.
    """
    _assign(named_variables(model, optimizer), _by_new_names(values))


def assign_weights(model, values):
    """Puts the weights of a checkpoint into an equal model, and leaves the optimizer's values.

    Raises:
        ValueError: a weight is missing, left over or misshapen: another model.
    """
    weights = {name: v for name, v in _by_new_names(values).items() if name.startswith("model/")}
    _assign({f"model/{variable.path}": variable for variable in model.weights}, weights)


def _assign(variables, values):
    missing, unknown = sorted(variables.keys() - values), sorted(values.keys() - variables)
    if missing or unknown:
        raise ValueError(
            "The checkpoint must hold the variables of this run: it lacks "
            f"{_some(missing)}, and has besides {_some(unknown)}. Go on with the settings that it "
            "was written with."
        )
    for name, variable in variables.items():
        if tuple(values[name].shape) != tuple(variable.shape):
            raise ValueError(
                f"{name} of the checkpoint has the shape {values[name].shape}, and of this run "
                f"{tuple(variable.shape)}. Go on with the settings that it was written with."
            )
    for name, variable in variables.items():
        variable.assign(values[name].astype(variable.dtype))  # a count may have another width


@contextlib.contextmanager
def averages_in_place(model, optimizer):
    """Within it, the model has the moving averages for weights, where the optimizer keeps any."""
    if not optimizer.use_ema:
        yield
        return
    variables = model.trainable_variables
    weights = [variable.numpy() for variable in variables]
    for variable, mean in zip(variables, optimizer._model_variables_moving_average, strict=True):
        variable.assign(mean)
    try:
        yield
    finally:
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)


def refuse_not_finite(values, step):
    """Raises `ArithmeticError` where a value is not finite, by name."""
    for name, value in values.items():
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            raise ArithmeticError(
                f"{name} stopped being a number by step {step}, and no checkpoint of it is "
                "written. Begin a new run with a lower learning rate or a longer warm-up."
            )


def _by_new_names(values):
    """What the first version wrote, as it is written now."""
    if not all(map(_NUMBERED.match, values)):
        return values
    renamed = {}
    for name, value in values.items():
        path = _NUMBERED.match(name)["path"]
        if _OF_OPTIMIZER.match(path):
            renamed[_OF_OPTIMIZER.sub("optimizer/", path, count=1)] = value
        elif not _OF_SEED.search(path):
            renamed[f"model/{path}"] = value
    # It wrote numbers as lists of one.
    steps = renamed["optimizer/iteration"]
    return renamed | {"optimizer/iteration": steps.reshape(())}


def _some(names):
    if not names:
        return "none"
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
