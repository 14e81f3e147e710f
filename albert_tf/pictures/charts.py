"""Numbers as pictures: curves of training, bars, what is taken for what, how long calls take."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from albert_tf.pictures.picture import COLOURS, GREY, label_bars, new_picture

# Beyond that many classes numbers in the squares would not be read.
WITH_NUMBERS = 25
# That many panels side by side can still be read on a page.
MOST_COLUMNS = 3


def draw_history(history: Mapping[str, Sequence[float]]):
    """The curves of a `fit`, what was trained on and what was held out in one panel.

    Args:
        history: the attribute of that name of what `fit` returns: name -> a number an epoch;
            `val_` before the name of a held-out one.
    """
    names = [name for name in history if not name.startswith("val_")]
    names.sort(key=lambda name: name != "loss")
    picture, panels = new_picture(len(names), width=4.2 * len(names))
    for axes, name in zip(panels, names, strict=True):
        for values, label in (
            (history[name], "trained on"),
            (history.get(f"val_{name}"), "held out"),
        ):
            if values is not None:
                axes.plot(range(1, len(values) + 1), values, marker="o", label=label)
        axes.set(title=name.replace("_", " "), xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        _finish_lines(axes)
    return picture


def draw_curves(
    runs: Mapping[str, Sequence[Mapping]],
    measures: Mapping[str, str],
    split: str | None = None,
    stacked: bool = False,
):
    """Measurements of runs over their steps, a panel a measure, three panels a line.

    Args:
        runs: name -> rows of a run's `metrics.jsonl` (`run_files.rows_of`); None is no number.
        measures: key of the rows -> title of the panel.
        split: the rows to draw, such as `held_out`; None for all, a line a split.
        stacked: whether the lines ought to be the same: the first ones are then wider, so that
            they are seen below the later ones.
    """
    count = max(1, len(measures))
    columns = min(count, MOST_COLUMNS)
    lines = math.ceil(count / columns)
    picture, panels = new_picture(columns, 4.2 * columns, 3.6 * lines, lines)
    for axes in panels[len(measures) :]:
        axes.set_axis_off()
    for axes, (key, title) in zip(panels, measures.items(), strict=False):
        for place, (name, rows) in enumerate(runs.items()):
            rows = [r for r in rows if r.get(key) is not None and split in (None, r["split"])]
            for one in dict.fromkeys(row["split"] for row in rows):
                points = [(row["step"], row[key]) for row in rows if row["split"] == one]
                label = ", ".join(filter(None, [name, one if split is None else ""]))
                axes.plot(
                    *zip(*points, strict=True),
                    marker="." if len(points) < 50 else "",
                    linewidth=1.5 + 5.0 * stacked * (len(runs) - 1 - place),
                    label=label.replace("_", " "),
                )
        axes.set(title=title, xlabel="step")
        _finish_lines(axes)
    return picture


def draw_bars(values: Mapping[str, float], title: str, unit: str, form="{:.3g}", marked=()):
    """Numbers as horizontal bars, in the order given, from the top.

    Args:
        values: name -> number.
        title: of the picture.
        unit: of the numbers, for the axis.
        form: format of the number behind each bar.
        marked: names whose bars are grey: what the others are compared with.
    """
    picture, [axes] = new_picture(height=0.9 + 0.42 * len(values))
    _bars(axes, values, form, marked)
    axes.set(title=title, xlabel=unit)
    return picture


def draw_bar_panels(
    panels: Mapping[str, Mapping[str, float]], form="{:.3g}", marked=(), limit: float | None = None
):
    """Several numbers of the same things, a panel a number.

    Args:
        panels: title with its unit -> name -> number; the names are those of the first panel.
        form: format of the numbers, or a mapping of title -> format.
        marked: as in `draw_bars`.
        limit: where all panels end, for numbers of one kind; None for each its own.
    """
    names = list(next(iter(panels.values())))
    picture, found = new_picture(
        len(panels), width=1.6 + 3.3 * len(panels), height=0.9 + 0.42 * len(names)
    )
    for number, (axes, (title, values)) in enumerate(zip(found, panels.items(), strict=True)):
        one = form if isinstance(form, str) else form[title]
        _bars(axes, {name: values[name] for name in names}, one, marked)
        axes.set_title(title, fontsize=10)
        if limit is not None:
            axes.set_xlim(0, limit)
        if number:
            axes.set_yticklabels([])
    return picture


def draw_confusion(true, answered, names):
    """Which class is taken for which: the darker, the larger the share of the true class.

    Args:
        true, answered: int sequences of classes, equally long.
        names: of the classes.
    """
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (np.asarray(true), np.asarray(answered)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(16.0, 2.6 + 0.55 * len(names))
    picture, [axes] = new_picture(width=size, height=size)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="answered", ylabel="true class", title="What each class was taken for")
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    for (row, column), count in np.ndenumerate(counts):
        if len(names) <= WITH_NUMBERS:
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return picture


def draw_matrix(values, names, title: str):
    """How alike things are, as a square of numbers.

    Args:
        values: float `(n, n)`, mostly in [-1, 1].
        names: n short texts.
        title: of the picture.
    """
    size = 2.2 + 0.55 * len(names)
    longest = max(len(name) for name in names)
    picture, [axes] = new_picture(width=size + 1 + 0.08 * longest, height=size)
    picture.colorbar(axes.imshow(values, cmap="viridis"), ax=axes, label="cosine")
    axes.set(title=title)
    axes.set_xticks(range(len(names)), [str(i + 1) for i in range(len(names))])
    axes.set_yticks(range(len(names)), [f"{name}  {i + 1}" for i, name in enumerate(names)])
    middle = (np.min(values) + np.max(values)) / 2
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < middle else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
    return picture


def draw_latencies(seconds: Mapping[str, Sequence[float]], title: str):
    """How long single calls took: every call a dot, the median and the slowest twentieth marked.

    Args:
        seconds: name -> time of each call.
        title: of the picture.
    """
    picture, [axes] = new_picture(height=0.9 + 0.55 * len(seconds))
    for place, times in enumerate(seconds.values()):
        times, colour = 1000 * np.asarray(times), COLOURS[place % len(COLOURS)]
        spread = 0.18 * np.sin(2.4 * np.arange(len(times)))
        axes.plot(times, place + spread, ".", color=colour, alpha=0.35, markersize=5)
        median, slow = np.quantile(times, [0.5, 0.95])
        axes.plot([median] * 2, [place - 0.32, place + 0.32], color="black", linewidth=2)
        axes.plot([slow] * 2, [place - 0.32, place + 0.32], color="black", linestyle=":")
        axes.text(
            1.02,
            place,
            f"{median:.3g} ms, 95 % in {slow:.3g}",
            fontsize=9,
            va="center",
            transform=axes.get_yaxis_transform(),
        )
    axes.set(
        title=title, xlabel="milliseconds a call (solid: median, dotted: 95 %)", xlim=(0, None)
    )
    axes.set_yticks(range(len(seconds)), list(seconds))
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return picture


def draw_trade(points: Mapping[str, tuple[float, float]], title: str, x: str, y: str):
    """What is given for what: a dot a thing, its name beside it.

    Args:
        points: name -> (x, y).
        title: of the picture.
        x, y: what the axes show, with the unit.
    """
    picture, [axes] = new_picture()
    for place, (name, (left, up)) in enumerate(points.items()):
        axes.plot(left, up, "o", markersize=9, color=COLOURS[place % len(COLOURS)])
        axes.annotate(name, (left, up), xytext=(8, 4), textcoords="offset points", fontsize=9)
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.margins(x=0.18, y=0.2)
    axes.grid(alpha=0.3)
    return picture


def _bars(axes, values, form, marked):
    names = list(values)
    numbers = [values[name] if math.isfinite(values[name]) else 0.0 for name in names]
    colours = [GREY if name in marked else COLOURS[0] for name in names]
    label_bars(axes, axes.barh(range(len(names)), numbers, color=colours), form)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()


def _finish_lines(axes):
    axes.grid(alpha=0.3)
    axes.legend(framealpha=0.8, edgecolor="none")
