"""What is asked of somebody's numbers: against which level, by how much, with which tests."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from actstudy.analysis.questions import procedure
from actstudy.contract import errors
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import ANYTIME, TaskPlan
from actstudy.judging.scores import Scores

FAMILIES = ("task", "study")  # what the 5% of false verdicts are for
PAIRED = procedure.PAIRED
UNPAIRED = "unpaired"
SUMMARIES = "from summaries"
SHARED = 0.8  # of the smaller side's seeds that both sides have, if runs are taken as pairs


@dataclass(frozen=True)
class Question:
    """The comparison that is asked for.

    margin: the smallest difference that matters, in the unit of the values; one for all tasks or
    one per task. paired: whether runs of one seed belong together, None if their seeds shall say.
    looks: whether seeds are added at 8, 12 and 20, or ANYTIME: one by one; else everything is
    judged at once. family: what the 5% of false verdicts are for. all_pairs: also every pair of
    levels, a second family. planned: levels that count in the family of every group even if they
    have no run.
    """

    baseline: str
    margin: float | Mapping[str, float]
    paired: bool | None = None
    looks: bool | str = False
    family: str = "task"
    all_pairs: bool = False
    planned: tuple[str, ...] = ()

    def margin_of(self, task: str, where: str = "") -> float:
        """The margin of a task; StudyError if it has none, or if it is no positive number.

        where: what a refusal of a task without one names, such as the file.
        """
        margin = self.margin
        if isinstance(margin, Mapping):
            if task not in margin:
                fault = f"margin: none of task {task!r:.60}; {errors.choices(task, margin)}"
                raise StudyError(f"{where}: {fault}" if where else fault)
            margin = margin[task]
        try:
            number = float(margin)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 < number < math.inf:
            raise StudyError(
                f"margin: got {margin!r:.60}; allowed: the smallest difference that matters, a "
                "positive number in the unit of the values"
            )
        return number


def check(question: Question, rows: pd.DataFrame, where: str) -> None:
    """StudyError if the baseline is not in every group of a task, or an option is no option."""
    if question.looks not in (True, False, ANYTIME):
        raise StudyError(f"looks: got {question.looks!r:.60}; allowed: true, false, {ANYTIME}")
    if question.family not in FAMILIES:
        raise StudyError(f"family: got {question.family!r:.60}; allowed: {', '.join(FAMILIES)}")
    baseline = question.baseline
    levels = list(rows["level"].unique())
    if baseline not in levels:
        raise StudyError(
            f"{where}: baseline: got {baseline!r:.60}; {errors.choices(baseline, levels)}"
        )
    for (task, group), part in rows.groupby(["task", "group"], sort=False):
        question.margin_of(task, where)
        place = " ".join(filter(None, [task, group]))
        own = list(part["level"].unique())
        if baseline not in own:
            raise StudyError(
                f"{where}: {place!r:.60}: no run of the baseline {baseline!r:.60}; allowed: runs "
                f"of it in every task; there are {', '.join(own[: errors.MAX_NAMES])}"
            )
        if own == [baseline]:
            raise StudyError(f"{where}: {place!r:.60}: got the baseline alone; allowed: two levels")


def of_looks(question: Question) -> str:
    """The option by which seeds are judged in their order, as a user calls it; empty if none."""
    if question.looks == ANYTIME:
        return ANYTIME
    return "looks" if question.looks else ""


def refuse_options(question: Question, method: str, where: str) -> None:
    """StudyError for an option that runs without shared seeds do not have."""
    name = "all_pairs" if question.all_pairs else of_looks(question)
    if name and method != PAIRED:
        allowed = "allowed: runs that share seeds"
        raise StudyError(f"{where}: {name}: got runs that are {method}; {allowed}")


def check_order(rows: pd.DataFrame, looks: bool | str, where: str) -> None:
    """StudyError if seeds are no numbers although they are looked at in their order."""
    if not looks or pd.api.types.is_integer_dtype(rows["seed"]):
        return
    why = "looks take the first 8, then 12, then 20 of them"
    if looks == ANYTIME:
        why = "they are judged one by one, in the order of their numbers"
    name = "looks" if looks is True else looks
    raise StudyError(
        f"{where}: {name}: got seeds such as {rows['seed'].min()!r:.60}; allowed: seeds that are "
        f"whole numbers, as {why}"
    )


def method_of(question: Question, scores: Scores, rows: pd.DataFrame, where: str) -> str:
    """PAIRED or UNPAIRED: as asked, else as the reader says, else as the seeds say.

    StudyError if pairs are asked for of runs that have no seeds.

    Runs are pairs if in every contrast nearly all seeds of the side with fewer runs are seeds of
    the other side too. The values have no part in it.
    """
    if question.paired and scores.paired is False:
        allowed = "allowed: a column of seeds, or unpaired"
        raise StudyError(f"{where}: paired: got runs without seeds; {allowed}")
    are_pairs = scores.paired if question.paired is None else question.paired
    if are_pairs is None:
        are_pairs = shared_seeds(rows, question.baseline) >= SHARED
    return PAIRED if are_pairs else UNPAIRED


def shared_seeds(rows: pd.DataFrame, baseline: str) -> float:
    """The share of the smaller side's seeds that both sides have, in the contrast with the least.

    Without a baseline levels are compared with the one that has most seeds.
    """
    least = 1.0
    for _, part in rows.groupby(["task", "group"], sort=False):
        seeds = {level: set(own) for level, own in part.groupby("level", sort=False)["seed"]}
        reference = baseline or max(seeds, key=lambda level: len(seeds[level]))
        of_baseline = seeds.pop(reference)
        for own in seeds.values():
            least = min(least, len(own & of_baseline) / min(len(own), len(of_baseline)))
    return least


def seeds_shared(table: pd.DataFrame, rows: pd.DataFrame) -> list[int]:
    """Per row of a table of contrasts, how many seeds both sides have, whatever their values."""
    cells = rows.groupby(["task", "group", "level"], sort=False)["seed"]
    seeds = {cell: set(own) for cell, own in cells}
    numbers = []
    for row in table.to_dict("records"):
        sides = [(row["task"], row["group"], row[name]) for name in ("level", "baseline")]
        own, opponent = (seeds.get(side, set()) for side in sides)
        numbers.append(len(own & opponent))
    return numbers


def task_plan(question: Question, scores: Scores, task: str) -> TaskPlan:
    """A task as the procedure takes it: what is compared, in which unit, with which margin."""
    return TaskPlan(
        title=task or scores.metric,
        metric=scores.metric,
        unit=scores.unit,
        higher_is_better=scores.higher_is_better,
        predicts="values",
        x_axis="",
        margin=question.margin_of(task),
        margin_reason="stated with the question",
        log_unit=None,
        classes={},
        targets=[],
        baseline=question.baseline,
        recipe={},
        axes={},
        looks=question.looks,
        tune_lr=None,
        figures=(),
    )
