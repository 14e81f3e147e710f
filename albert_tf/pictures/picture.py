"""A figure that a notebook shows by itself, and the looks that all pictures share."""

import io

from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind can tell apart, the darker ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
GREY = "#888888"


class Picture(Figure):
    """A figure without pyplot and its global state, shown where it is a cell's last value."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=100)
        return content.getvalue()


def new_picture(columns=1, width=7.0, height=3.6, lines=1):
    """A picture of so many panels beside each other.

    Args:
        columns: panels of a line.
        width, height: of the picture, in inches.
        lines: of panels, one below the other.

    Returns:
        The `Picture`, and a list of its axes.
    """
    picture = Picture(figsize=(width, height), layout="constrained")
    panels = list(picture.subplots(lines, columns, squeeze=False).ravel())
    for axes in panels:
        axes.set_prop_cycle(color=COLOURS)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    return picture, panels


def label_bars(axes, bars, form):
    """Writes its number behind each horizontal bar.

    Args:
        axes: of the bars.
        bars: what `barh` gave.
        form: format of a number, such as `"{:.1f} MB"`.
    """
    widths = [bar.get_width() for bar in bars]
    axes.bar_label(bars, [form.format(width) for width in widths], padding=3, fontsize=9)
    axes.set_xlim(0, 1.22 * max([*widths, 1e-12]))
