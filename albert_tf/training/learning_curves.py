"""The numbers of a run as a picture."""

import math

NO_CURVE = {"split", "step", "seconds"}
# That many panels side by side can still be read on a page.
MOST_COLUMNS = 3


def draw_curves(rows, path):
    """Draws every quantity that was measured, one panel each, over the steps.

    Args:
        rows: dicts as `RunDirectory.log` makes them.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    curves = _curves(rows)
    names = sorted(curves, key=lambda name: (name != "loss", name))
    columns = min(max(1, len(names)), MOST_COLUMNS)
    lines = max(1, -(-len(names) // columns))
    figure = Figure(figsize=(4.5 * columns, 3.2 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
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
