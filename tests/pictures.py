"""What is wrong with a drawn figure, measured in its pixels."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from actstudy.analysis.figures.style import plain_powers

DPI = 160
MAX_PIXELS = 2000  # of height
SLACK = 1.0  # pixels by which texts may touch
SAMPLES = 40  # points of each stretch of a line that are looked at


def faults(figure: Figure) -> dict[str, list[str]]:
    """Kind of fault -> where it is found; a figure that may be published has none.

    clipped: texts beyond the canvas; crossing: texts on texts; covering: texts on marks; empty:
    panels without data, or with zeros alone; off_axis: data beyond their axes; tall: too many
    pixels.
    """
    lay_out(figure)
    boxes = [(text, box_of(text)) for text in texts(figure)]
    places: dict[str, list[str]] = {
        "clipped": [text.get_text() for text, box in boxes if is_clipped(figure, box)],
        "crossing": [],
        "covering": [],
        "empty": [ax.get_title() for ax in panels(figure) if not has_data(ax)],
        "off_axis": [],
        "tall": [],
    }
    for (first, box), (second, second_box) in itertools.combinations(boxes, 2):
        if crosses(box, second_box):
            places["crossing"].append(f"{first.get_text()} x {second.get_text()}")
    for ax in panels(figure):
        points = points_of(ax)
        for text, box in boxes:
            if text not in numbers_of_cells(ax) and holds(box, points):
                places["covering"].append(text.get_text())
        for line in data_lines(ax):
            if is_off_axis(ax, line):
                places["off_axis"].append(f"{ax.get_title()}: {line.get_label()}")
    if figure.get_figheight() * DPI > MAX_PIXELS + SLACK:
        places["tall"].append(f"{figure.get_figheight() * DPI:.0f} px")
    return places


def lay_out(figure: Figure) -> None:
    """Lay a figure out as `figures.save` does."""
    plain_powers(figure)
    figure.set_dpi(DPI)
    figure.draw_without_rendering()


def panels(figure: Figure) -> list[Axes]:
    """The visible axes that are no colour bars."""
    visible = [ax for ax in figure.axes if ax.get_visible()]
    return [ax for ax in visible if ax.get_label() != "<colorbar>"]


def texts(figure: Figure) -> list[Text]:
    """All texts that are drawn, each once."""
    drawn: list[Any] = [*figure.texts, figure._suptitle, figure._supxlabel, figure._supylabel]
    legends = list(figure.legends)
    for ax in figure.axes:
        if not ax.get_visible():
            continue
        drawn += [ax.title, ax._left_title, ax._right_title, *ax.texts]
        legends += [ax.get_legend()] if ax.get_legend() else []
        for axis in (ax.xaxis, ax.yaxis):
            drawn += [axis.label, axis.offsetText]
            for tick in axis._update_ticks():
                drawn += [tick.label1, tick.label2]
    for legend in legends:
        drawn += [legend.get_title(), *legend.get_texts()]
    unique = {id(text): text for text in drawn if text is not None}
    return [text for text in unique.values() if text.get_visible() and text.get_text().strip()]


def box_of(text: Text) -> Bbox:
    """The pixels of a text; its lines may be slanted by multiples of 90 degrees alone."""
    assert text.get_rotation() % 90 == 0, text.get_text()
    return text.get_window_extent()


def is_clipped(figure: Figure, box: Bbox) -> bool:
    """Whether a box reaches beyond the canvas."""
    width, height = figure.canvas.get_width_height()
    return bool(
        box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK
    )


def crosses(first: Bbox, second: Bbox) -> bool:
    """Whether two boxes share more than their rims."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return bool(width > SLACK and height > SLACK)


def data_lines(ax: Axes) -> Iterator[Line2D]:
    """The lines that show data and not one value along the whole axis."""
    for line in ax.lines:
        places = line.get_transform().contains_branch_seperately(ax.transData)
        if all(places) and np.isfinite(values_of(line)).all(axis=1).any():
            yield line


def values_of(line: Line2D) -> np.ndarray:
    """The (n, 2) points of a line as numbers."""
    return np.column_stack([line.get_xdata(orig=False), line.get_ydata(orig=False)]).astype(float)


def has_data(ax: Axes) -> bool:
    """Whether a panel shows data that are not all zero."""
    lines = list(data_lines(ax))
    if lines and not any(np.nan_to_num(values_of(line)[:, 1]).any() for line in lines):
        return False
    return bool(lines or ax.images or ax.collections or ax.containers)


def is_off_axis(ax: Axes, line: Line2D) -> bool:
    """Whether a finite point of a line lies beyond the limits of its axes, which hide it."""
    points = values_of(line)
    points = points[np.isfinite(points).all(axis=1)]
    if ax.get_yscale() == "log":
        points = points[points[:, 1] > 0]
    pixels = line.get_transform().transform(points)
    box = ax.get_window_extent().padded(SLACK)
    inside = (pixels >= box.min) & (pixels <= box.max)
    return not bool(inside.all())


def points_of(ax: Axes) -> np.ndarray:
    """Pixels on the marks and lines of a panel, those that are within its frame."""
    drawn = [np.empty((0, 2))]
    for line in data_lines(ax):
        points = line.get_transform().transform(values_of(line))
        points = points[np.isfinite(points).all(axis=1)]
        if line.get_linestyle() != "None" and len(points) > 1:
            shares = np.linspace(0, 1, SAMPLES)[:, None, None]
            points = (points[:-1] * (1 - shares) + points[1:] * shares).reshape(-1, 2)
        drawn.append(points)
    every = np.concatenate(drawn)
    box = ax.get_window_extent()
    return every[((every >= box.min) & (every <= box.max)).all(axis=1)]


def holds(box: Bbox, points: np.ndarray) -> bool:
    """Whether a point lies in a box."""
    inner = box.padded(-SLACK)
    return bool(((points > inner.min) & (points < inner.max)).all(axis=1).any())


def numbers_of_cells(ax: Axes) -> list[Text]:
    """Texts that belong on their marks: the number in a cell of a map is what the cell says."""
    return list(ax.texts) if ax.patches and not ax.lines else []
