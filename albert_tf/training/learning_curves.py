"""The numbers of a run as a picture."""

import math

import numpy as np

NO_CURVE = {"split", "step", "seconds"}


def draw_curves(rows, path):
    """Draws every quantity that was measured, one panel each, over the steps.

    Args:
        rows: dicts as `RunDirectory.log` makes them.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    curves = _curves(rows)
    names = sorted(curves, key=lambda name: (name != "loss", name))
    columns = max(1, len(names))
    figure = Figure(figsize=(5 * columns, 3.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, columns))
    for axes, name in zip(panels, names, strict=False):
        for split, points in sorted(curves[name].items()):
            axes.plot(
                *zip(*points, strict=True), label=split, marker="." if len(points) < 50 else ""
            )
        axes.set(title=name.replace("_", " "), xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)


def _curves(rows):
    """Name -> split -> points; what is no number has no curve."""
    curves = {}
    for row in rows:
        for name in row.keys() - NO_CURVE:
            if isinstance(row[name], int | float) and math.isfinite(row[name]):
                points = curves.setdefault(name, {}).setdefault(row["split"], [])
                points.append((row["step"], row[name]))
    return curves
