"""The recipes that a task crosses: which cells are alike in all else, and their runs as an array.

A block is what a task's cells share beside their recipe: model, data, sizes, arithmetic. A recipe
is a place on each of its crossed axes of RECIPE_AXES.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import collapse
from actstudy.analysis.questions.collapse import Gains
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.questions.seed_values import Frames, Values
from actstudy.contract.plan import RECIPE_AXES, Plan, TaskPlan, group_name

Cell = tuple[str, str]  # group, level


class Block(NamedTuple):
    """The cells of a task that differ in level and recipe alone.

    levels: the baseline first; axes: recipe axis -> its places, two or more; groups: the places of
    a recipe, in the order of `axes` -> its group of cells.
    """

    task: str
    name: str
    levels: list[str]
    axes: dict[str, list[str]]
    groups: dict[tuple[str, ...], str]


class Crossing(NamedTuple):
    """The runs of a block in which every seed has every cell.

    y: gains (seeds, levels, places of the first recipe axis, of the second, ...); axes: the
    compared one and the recipe axes -> their levels; seeds_left_out: those that lack a cell;
    left_out: levels and places of which a cell has no typical run.
    """

    axes: dict[str, list[str]]
    y: np.ndarray
    seeds_left_out: int
    left_out: list[str]


def blocks(frames: Frames, plan: Plan) -> Iterator[Block]:
    """The blocks of every task that crosses a recipe axis, but for those that cross frameworks.

    frames: `runs`, with `places`.
    """
    for task, settings in plan.tasks.items():
        runs = frames["runs"].filter(items=["task", "group", "level", "places"])
        runs = runs[runs["task"] == task]
        if runs.empty or crosses_framework(settings) or "places" not in runs:
            continue
        cells = runs.drop_duplicates(["group", "level"])
        parts: dict[str, list[tuple[dict[str, str], str, str]]] = {}
        for row in cells.to_dict("records"):
            places = json.loads(row["places"])
            recipe = {axis: place for axis, place in places.items() if axis in RECIPE_AXES}
            rest = {axis: place for axis, place in places.items() if axis not in RECIPE_AXES}
            parts.setdefault(group_name(rest), []).append((recipe, row["group"], row["level"]))
        for name, own in parts.items():
            block = _block(task, name, own, settings.baseline)
            if block.axes:
                yield block


def _block(
    task: str, name: str, cells: list[tuple[dict[str, str], str, str]], baseline: str
) -> Block:
    """A block of its cells: recipe, group and level of each."""
    levels = list(dict.fromkeys(level for _, _, level in cells))
    levels.sort(key=lambda level: level != baseline)
    axes: dict[str, list[str]] = {}
    for recipe, _, _ in cells:
        for axis, place in recipe.items():
            if place not in axes.setdefault(axis, []):
                axes[axis].append(place)
    axes = {axis: places for axis, places in axes.items() if len(places) > 1}
    groups = {}
    for recipe, group, _ in cells:
        groups[tuple(recipe[axis] for axis in axes)] = group
    return Block(task, name, levels, axes, groups)


def gains_of(block: Block, values: Values, settings: TaskPlan) -> Gains:
    """The gains of a block's task; which runs are typical, all of its seeds say."""
    return collapse.gains(values[block.task], settings)


def crossing(block: Block, gains: Gains, compare: str) -> Crossing:
    """The runs of a block as a crossed design; compare: the name of the compared axis.

    While some cell has no typical run, the level or place with the largest share of such cells is
    left out, of equal ones rather a place of the recipe; then seeds that lack a cell are.
    """
    axes = {compare: list(block.levels), **{axis: list(own) for axis, own in block.axes.items()}}
    typical = gains.typical
    has = typical.notna().any()
    left_out = []
    while empty := [key for key in itertools.product(*axes.values()) if not _has(has, block, key)]:
        counts: dict[tuple[str, str], int] = {}
        for key in empty:
            for axis, place in zip(reversed(axes), reversed(key), strict=True):
                counts[axis, place] = counts.get((axis, place), 0) + len(axes[axis])
        axis, place = max(counts, key=lambda name: counts[name])
        axes[axis].remove(place)
        left_out.append(place if axis == compare else group_name({axis: place}))
    cells = [_cell(block, key) for key in itertools.product(*axes.values())]
    index = pd.MultiIndex.from_tuples(cells, names=["group", "level"]) if cells else []
    complete = typical.reindex(columns=index).dropna() if cells else typical.iloc[:0, :0]
    shape = (len(complete), *(len(own) for own in axes.values()))
    y = complete.to_numpy(dtype=float).reshape(shape)
    return Crossing(axes, y, len(typical) - len(complete), left_out)


def _cell(block: Block, key: tuple[str, ...]) -> Cell:
    """The cell of a level and a recipe; of a recipe that the study lacks one without a group."""
    return block.groups.get(key[1:], "no such group"), key[0]


def _has(has: Mapping[Cell, bool], block: Block, key: tuple[str, ...]) -> bool:
    """Whether a level has a typical run with a recipe."""
    return bool(has.get(_cell(block, key), False))
