"""Sums of many batches, and the numbers they make."""

import math

import numpy as np


class Measures:
    """Adds up what steps return, without waiting for the device until it is asked.

    Args:
        totals: what `totals` of another one gave, to go on from there; exactly, since the sums
            are taken one after the other whenever they are asked for.
    """

    def __init__(self, totals=None):
        self._totals = {name: np.array(sums) for name, sums in (totals or {}).items()}
        self._waiting = []

    def add(self, sums):
        """Takes `objective name -> (loss sum, correct sum, count)` of one batch."""
        self._waiting.append(sums)

    def totals(self) -> dict[str, list[float]]:
        """The sums so far, as JSON values."""
        for sums in self._waiting:
            for name, values in sums.items():
                values = np.array([float(value) for value in values])
                self._totals[name] = self._totals.get(name, 0.0) + values
        self._waiting = []
        return {name: sums.tolist() for name, sums in self._totals.items()}

    def are_finite(self) -> bool:
        """Whether all sums are numbers."""
        return all(map(math.isfinite, sum(self.totals().values(), [])))

    def take(self) -> dict[str, float]:
        """Gives the means since the last call, and forgets them.

        Returns:
            `loss`, and for each objective `<name>_loss` and `<name>_accuracy`, those without a
            counted answer left out.
        """
        result = {"loss": 0.0}
        for name, (loss, correct, count) in self.totals().items():
            if count > 0:
                result[f"{name}_loss"] = loss / count
                result[f"{name}_accuracy"] = correct / count
                result["loss"] += loss / count
        self._totals = {}
        return result
