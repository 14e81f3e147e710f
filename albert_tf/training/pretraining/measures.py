"""Sums of many batches, and the numbers they make."""

import numpy as np


class Measures:
    """Adds up what steps return, without waiting for the device until it is asked."""

    def __init__(self):
        self._sums = []

    def add(self, sums):
        """Takes `objective name -> (loss sum, correct sum, count)` of one batch."""
        self._sums.append(sums)

    def take(self) -> dict[str, float]:
        """Gives the means since the last call, and forgets them.

        Returns:
            `loss`, and for each objective `<name>_loss` and `<name>_accuracy`, those without a
            counted answer left out.
        """
        totals = {}
        for sums in self._sums:
            for name, values in sums.items():
                totals[name] = totals.get(name, 0) + np.array([float(v) for v in values])
        self._sums = []
        result = {"loss": 0.0}
        for name, (loss, correct, count) in totals.items():
            if count > 0:
                result[f"{name}_loss"] = loss / count
                result[f"{name}_accuracy"] = correct / count
                result["loss"] += loss / count
        return {name: float(value) for name, value in result.items()}
