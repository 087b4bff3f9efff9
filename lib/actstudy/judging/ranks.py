"""`actstudy.ranks`: the tie group of the best and an interval of every rank, also over tasks."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import collapse
from actstudy.contract.plan import TaskPlan
from actstudy.judging import question as asking
from actstudy.judging.judged import task_values
from actstudy.judging.question import PAIRED, SUMMARIES, Question
from actstudy.judging.scores import Scores, checked, checked_summaries
from actstudy.judging.statistics import ties
from actstudy.judging.statistics.summaries import sides_of
from actstudy.judging.statistics.ties import Comparisons
from actstudy.judging.statistics.welch import Side
from actstudy.judging.verdicts import WHERE, scores_of

ALL_TASKS = "all tasks"  # the place of the rows across tasks
COLUMNS = ["task", "group", "level", "n", "mean", "behind", "unit", "in_set", "first", "last"]
MARGINS = "margins"  # the unit across tasks


def ranks(
    frame: pd.DataFrame | Scores,
    *,
    margin: float | Mapping[str, float],
    higher_is_better: bool = True,
    paired: bool | None = None,
    value: str = "value",
    level: str = "level",
    seed: str = "seed",
    task: str = "task",
    chance: float | None = None,
    unit: str = "",
) -> pd.DataFrame:
    """A row per level: whether it may be the best, and the ranks that it may have.

    frame and arguments: as of `verdicts`. in_set: it cannot be separated from the best by at
    least the margin, or is the better one if collapsed runs count; the set holds the truly best
    level with 95%. first, last: its rank is between these, 1 being the best; all intervals of a
    task hold at once with 95%. behind: by how much its mean is worse than the best mean, in `unit`.
    With several tasks that share levels there are rows across them, of task ALL_TASKS, in margins:
    of these tasks, whose runs are taken as independent.

    >>> import pandas as pd
    >>> means = pd.DataFrame(
    ...     {"level": ["a", "b", "c"], "mean": [0.91, 0.90, 0.70], "sd": 0.02, "n": 10}
    ... )
    >>> table = ranks(means, margin=0.005)
    >>> for row in table.itertuples():
    ...     print(row.level, row.in_set, row.first, row.last)
    a True 1 2
    b True 1 2
    c False 3 3
    """
    scores = frame
    if not isinstance(scores, Scores):
        names = {"level": level, "seed": seed, "value": value, "task": task}
        scores = scores_of(scores, names, chance, unit, higher_is_better)
    return ranked(scores, Question("", margin, paired), WHERE)


class Block(NamedTuple):
    """The levels of one group of a task, and how they compare."""

    levels: list[str]
    comparisons: Comparisons
    margin: float


def ranked(scores: Scores, question: Question, where: str) -> pd.DataFrame:
    """The rows of `ranks`, COLUMNS; the question's baseline has no part in it."""
    if scores.summaries is not None:
        rows = checked_summaries(scores.summaries, where)
        method = SUMMARIES
    else:
        rows = checked(scores.frame, where)
        method = asking.method_of(question, scores, rows, where)
    parts = []
    blocks = []
    for (task, group), part in rows.groupby(["task", "group"], sort=False):
        settings = asking.task_plan(question, scores, str(task))
        block = block_of(part, settings, method)
        blocks.append(block)
        head = {"task": task, "group": group, "unit": scores.unit}
        parts.append(table_of(block, head, settings.sign))
    if len(blocks) > 1:
        parts += across_rows(blocks)
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def block_of(rows: pd.DataFrame, settings: TaskPlan, method: str) -> Block:
    """The comparisons of one group of levels: of typical runs, as in verdicts."""
    if method == SUMMARIES:
        own = ties.of_sides(sides_of(rows, settings.sign))
        return Block(list(rows["level"]), own, settings.margin)
    gains = collapse.gains(task_values(rows), settings)
    levels = [str(level) for _, level in gains.typical.columns]
    x = gains.typical.to_numpy(dtype=float)
    if method == PAIRED:
        own = ties.of_pairs(x, gains.every.to_numpy(dtype=float))
        return Block(levels, own, settings.margin)
    sides = [Side.of(column[np.isfinite(column)]) for column in x.T]
    own = ties.of_sides(sides, gains.every.mean().to_numpy(dtype=float))
    return Block(levels, own, settings.margin)


def across_rows(blocks: Sequence[Block]) -> list[pd.DataFrame]:
    """The rows of the levels that all groups have, over all of them; none below two levels."""
    in_all = set.intersection(*(set(block.levels) for block in blocks))
    shared = [name for name in blocks[0].levels if name in in_all]
    if len(shared) < 2:
        return []
    parts = []
    for block in blocks:
        places = [block.levels.index(name) for name in shared]
        parts.append(ties.of_levels(block.comparisons, places))
    joined = ties.across(parts, [block.margin for block in blocks])
    head = {"task": ALL_TASKS, "group": "", "unit": MARGINS}
    return [table_of(Block(shared, joined, 1.0), head, 1).assign(mean=np.nan)]


def table_of(block: Block, head: Mapping[str, Any], sign: int) -> pd.DataFrame:
    """The rows of one group, the best mean first."""
    own = block.comparisons
    ends = ties.rank_intervals(own)
    columns = {
        **head,
        "level": block.levels,
        "n": own.counts.astype(int),
        "mean": sign * own.means,
        "behind": own.means[own.best] - own.means,
        "in_set": ties.tie_group(own, block.margin),
        "first": ends[:, 0],
        "last": ends[:, 1],
    }
    return pd.DataFrame(columns).sort_values("behind", kind="stable")
