"""Is each level of a source the same as its reference? Both ends of a margin stated first."""

from collections.abc import Iterator

import pandas as pd

from actstudy.contract.errors import StudyError, visible
from actstudy.judging import equivalence
from actstudy.judging import question as asking
from actstudy.judging.question import PAIRED, Question
from actstudy.judging.scores import Scores, checked


def same(scores: Scores, question: Question, where: str) -> pd.DataFrame:
    """A row per task, group and level, with the columns of `equivalence.table`.

    The levels of a task and group share the 5% of each end. Diverged runs have no number and are
    left out. StudyError for summaries, or a side that has fewer than two runs.
    """
    if scores.summaries is not None:
        raise StudyError(f"{where}: --equivalence: got means, sd and n; allowed: a row per run")
    rows = checked(scores.frame, where)
    asking.check(question, rows, where)
    is_paired = asking.method_of(question, scores, rows) == PAIRED
    parts = []
    for (task, group), part in rows.groupby(["task", "group"], sort=False):
        table = equivalence.table(
            part.drop(columns="task"),
            question.baseline,
            question.margin_of(task),
            scores.higher_is_better,
            is_paired,
        )
        parts.append(table.assign(task=task, group=group))
    return pd.concat(parts, ignore_index=True)


def sentences(table: pd.DataFrame, unit: str) -> Iterator[str]:
    """A line per row of `same`."""
    for row in table.itertuples():
        place = " ".join(filter(None, [row.task, row.group]))
        words = equivalence.sentence(row, row.level, row.baseline, unit)
        yield visible(f"{place}: {words}" if place else words)
