"""Does an effect at small sizes say what it is at large ones? A fit, checked on what it left out.

From one study that crosses sizes. The effect is level minus baseline, seed by seed.
"""

import itertools
import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.contrasts import Pair
from actstudy.analysis.questions.stats import mean_interval
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import group_name
from actstudy.judging.studies.beside import Study
from actstudy.judging.studies.transfer import gains_of

AXES = ("width", "depth", "epochs", "steps")
MIN_PLACES = 3  # of an axis: two for a slope, one that is held out
MIN_SEEDS = 3
ROUNDING = 1e-12
SLOPES = ["task", "block", "level", "baseline", "axis", "n", "slope", "low", "high", "unit"]
HELD_OUT = ["task", "block", "level", "baseline", "cell", "n", "predicted", "low", "high"]
HELD_OUT += ["observed", "error", "is_inside", "as_before", "unit"]
ALLOWED = f"one that crosses {', '.join(AXES)} at {MIN_PLACES} places or more"


class Grid(NamedTuple):
    """Cells of one block that differ in size alone.

    axes: size -> its places, rising; groups: places of all axes -> group of cells.
    """

    task: str
    block: str
    axes: dict[str, list[float]]
    groups: dict[tuple[float, ...], str]


class Fit(NamedTuple):
    """A linear fit of an effect by the logarithms of sizes, per seed.

    slopes: (seeds, axes), per doubling; predicted, observed: (seeds, held-out cells); before: the
    effect at the nearest cell that was fitted.
    """

    slopes: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    before: np.ndarray


def extrapolations(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Slopes of each level's effect by size (columns SLOPES), and held-out cells (HELD_OUT).

    A cell is held out if any of its sizes is the largest; the fit is of all others. low, high: of
    the mean that is to be observed, Student's interval of observed minus predicted over seeds, laid
    around the prediction; as_before: the effect at the nearest fitted cell. StudyError if the study
    crosses no size at enough places, or a size of 0, or too few seeds have every cell.
    """
    slopes: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    fault = "it crosses no size"
    for grid in grids(study):
        settings = study.plan.tasks[grid.task]
        gains = gains_of(study, grid.task)
        levels = [level for group, level in gains.every if group in grid.groups.values()]
        for level in dict.fromkeys(levels):
            if level == settings.baseline:
                continue
            pairs = [Pair(group, level, settings.baseline) for group in grid.groups.values()]
            y = contrasts.paired_differences(gains, pairs)
            y = y[np.isfinite(y).all(axis=1)]
            if len(y) < MIN_SEEDS:
                fault = f"{len(y)} seeds have every size of {level}, it takes {MIN_SEEDS}"
                continue
            head = {"task": grid.task, "block": grid.block, "level": level}
            head |= {"baseline": settings.baseline, "unit": settings.compared_unit, "n": len(y)}
            fit = fitted(settings.sign * y, grid)
            slopes += [{**head, **row} for row in slope_rows(fit, grid)]
            cells += [{**head, **row} for row in held_out_rows(fit, grid)]
    if not slopes:
        raise StudyError(f"{study.name}: {fault}; allowed: {ALLOWED}")
    return pd.DataFrame(slopes, columns=SLOPES), pd.DataFrame(cells, columns=HELD_OUT)


def grids(study: Study) -> list[Grid]:
    """The full grids of sizes of a study, a block being all that its cells share beside them."""
    if "places" not in study.runs:
        raise StudyError(f"{study.name}: no column places in its table of runs; allowed: {ALLOWED}")
    full = []
    for task, rows in study.runs.drop_duplicates(["task", "group"]).groupby("task", sort=False):
        places = [json.loads(text) for text in rows["places"]]
        axes = sizes_of(places)
        for axis, sizes in axes.items():
            if not sizes[0]:
                fault = f"{study.name}: {task}: {axis}: got 0"
                raise StudyError(f"{fault}; allowed: sizes above 0, as slopes are per doubling")
        blocks: dict[str, dict[tuple[float, ...], str]] = {}
        for own, group in zip(places, rows["group"], strict=True):
            block = group_name({axis: place for axis, place in own.items() if axis not in axes})
            blocks.setdefault(block, {})[tuple(float(own[axis]) for axis in axes)] = group
        n_cells = int(np.prod([len(sizes) for sizes in axes.values()]))
        for block, groups in blocks.items():
            if axes and len(groups) == n_cells:
                full.append(Grid(str(task), block, axes, groups))
    return full


def sizes_of(places: list[dict[str, str]]) -> dict[str, list[float]]:
    """The axes of AXES with MIN_PLACES sizes or more, rising; places: of all groups of a task."""
    axes = {}
    for axis in places[0]:
        words = {own[axis] for own in places if axis in own}
        if len(words) >= MIN_PLACES and all(is_size(axis, word) for word in words):
            axes[axis] = sorted(float(word) for word in words)
    return axes


def is_size(axis: str, place: str) -> bool:
    """Whether a place is a size and sets nothing else."""
    return axis in AXES and place.replace(".", "", 1).isdigit()


def is_held_out(grid: Grid) -> np.ndarray:
    """Whether any size of each cell is the largest, in the order of `groups`."""
    largest = [sizes[-1] for sizes in grid.axes.values()]
    return np.array([any(map(float.__eq__, cell, largest)) for cell in grid.groups])


def fitted(y: np.ndarray, grid: Grid) -> Fit:
    """The fit of effects y (seeds, cells) by least squares, seed by seed.

    y = intercept + sum over axes of slope x log2(size / smallest size).
    """
    smallest = [sizes[0] for sizes in grid.axes.values()]
    logarithms = np.log2(np.array(list(grid.groups)) / np.array(smallest))
    x = np.column_stack([np.ones(len(logarithms)), logarithms])
    held_out = is_held_out(grid)
    coefficients = y[:, ~held_out] @ np.linalg.pinv(x[~held_out]).T
    places = {cell: place for place, cell in enumerate(grid.groups)}
    before = []
    for cell in itertools.compress(grid.groups, held_out):
        sizes = zip(cell, grid.axes.values(), strict=True)
        before.append(places[tuple(min(size, own[-2]) for size, own in sizes)])
    return Fit(coefficients[:, 1:], coefficients @ x[held_out].T, y[:, held_out], y[:, before])


def slope_rows(fit: Fit, grid: Grid) -> list[dict[str, Any]]:
    """What a doubling of each size changes, with Student's interval over seeds."""
    rows = []
    for place, axis in enumerate(grid.axes):
        slope = mean_interval(list(fit.slopes[:, place]))
        rows.append({"axis": axis, "slope": slope.value, "low": slope.low, "high": slope.high})
    return rows


def held_out_rows(fit: Fit, grid: Grid) -> list[dict[str, Any]]:
    """A row per held-out cell: predicted with its interval, observed, and the effect before."""
    rows = []
    cells = list(itertools.compress(grid.groups.items(), is_held_out(grid)))
    for place, (cell, _) in enumerate(cells):
        error = mean_interval(list(fit.observed[:, place] - fit.predicted[:, place]))
        predicted = float(fit.predicted[:, place].mean())
        half = error.high - error.value
        sizes = dict(zip(grid.axes, (f"{size:g}" for size in cell), strict=True))
        rows.append(
            {
                "cell": group_name(sizes),
                "predicted": predicted,
                "low": predicted - half,
                "high": predicted + half,
                "observed": float(fit.observed[:, place].mean()),
                "error": error.value,
                "is_inside": bool(abs(error.value) <= half + ROUNDING),
                "as_before": float(fit.before[:, place].mean()),
            }
        )
    return rows
