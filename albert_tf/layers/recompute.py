"""Training with the inputs of each step kept and the rest computed again: memory for time."""

import keras
from keras import ops


def repeat_recomputed(function, hidden, tensors, first, num_steps):
    """Applies a function again and again in a loop of the graph, and recomputes it backwards.

    Of a step only its input is kept until the backward pass, and the body stands in the graph
    once, so that nothing of a step can begin before its turn and stay in memory.

    Args:
        function: called as `function(step, hidden, *tensors)`; must be pure: what it draws at
            random must follow from `step`, or the two times it runs would not agree.
        hidden: tensor, replaced by what the function gives, of the same shape.
        tensors: what else needs a gradient, weights included; other tensors may be closed over.
        first: the first `step`, a number.
        num_steps: how often.

    Returns:
        `hidden` after the last step.
    """

    def once(step, hidden):
        block = keras.remat(lambda hidden, *tensors: function(step, hidden, *tensors))
        return ops.reshape(block(hidden, *tensors), ops.shape(hidden))

    if num_steps == 1:
        return once(first, hidden)
    if keras.config.backend() != "tensorflow":
        # JAX differentiates loops of a fixed length alone; this is its form of them.
        return ops.fori_loop(first, first + num_steps, once, hidden)
    # The maximum is what XLA needs to know how much the loop keeps.
    _, hidden = ops.while_loop(
        lambda step, hidden: step < first + num_steps,
        lambda step, hidden: (step + 1, once(step, hidden)),
        (ops.convert_to_tensor(first, "int32"), hidden),
        maximum_iterations=num_steps,
    )
    return hidden
