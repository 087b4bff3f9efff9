"""Which runs an answer rests on if seeds were looked at several times, and the levels' means."""

import pandas as pd

from actstudy.analysis.questions import collapse
from actstudy.contract import errors
from actstudy.contract.plan import ANYTIME
from actstudy.judging import question as asking
from actstudy.judging.judged import task_values
from actstudy.judging.question import Question
from actstudy.judging.ranks import ALL_TASKS, MARGINS
from actstudy.judging.scores import Scores
from actstudy.study.looks import LOOKS

COLUMNS = ["task", "group", "level", "n", "mean"]
NO_RANKS = (
    "No ranks, and no levels that may be the best: their tests hold for one look at all seeds, "
    "not for several."
)


def split(rows: pd.DataFrame, contrasts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs that the last look took, and those of later seeds, task by task.

    rows: of `scores.checked`, contrasts: of them, as of `judged`, with looks.
    """
    is_taken = pd.Series(True, rows.index)
    for task, part in rows.groupby("task", sort=False):
        taken = int(contrasts.loc[contrasts["task"] == task, "seeds"].max())
        seeds = sorted(part["seed"].unique())[:taken]
        is_taken[part.index] = part["seed"].isin(seeds)
    return rows[is_taken], rows[~is_taken]


def about_looks(question: Question, later: pd.DataFrame) -> list[str]:
    """What several looks mean for the answer, in sentences; later: runs after the last look."""
    sentences = ["Seeds came in the order of their numbers."]
    if question.looks != ANYTIME:
        for task, part in later.groupby("task", sort=False):
            of_task = f" of {errors.visible(task)}" if task else ""
            first = part["seed"].min()
            last = part["seed"].max()
            seeds = f"Seed {first}{of_task} takes" if first == last else ""
            seeds = seeds or f"Seeds {first} to {last}{of_task} take"
            looks = ", ".join(map(str, LOOKS))
            sentences.append(
                f"{seeds} no part in verdicts, intervals and means: looks are at {looks} seeds."
            )
    return [*sentences, NO_RANKS]


def of_ranks(ranks: pd.DataFrame) -> pd.DataFrame:
    """The levels of a table of ranks, COLUMNS, without the rows over tasks."""
    is_over_tasks = (ranks["task"] == ALL_TASKS) & (ranks["unit"] == MARGINS)
    return ranks.loc[~is_over_tasks, COLUMNS]


def of_runs(rows: pd.DataFrame, scores: Scores, question: Question) -> pd.DataFrame:
    """The typical runs of each level and their mean, COLUMNS, the best mean of a group first."""
    parts = []
    for (task, group), part in rows.groupby(["task", "group"], sort=False):
        settings = asking.task_plan(question, scores, str(task))
        typical = collapse.gains(task_values(part), settings).typical
        head = {"task": task, "group": group, "level": [str(level) for _, level in typical]}
        gains = typical.mean().to_numpy()
        own = pd.DataFrame({**head, "n": typical.count().to_numpy(), "mean": gains})
        own = own.sort_values("mean", ascending=False, kind="stable")
        parts.append(own.assign(mean=settings.sign * own["mean"]))
    return pd.concat(parts, ignore_index=True)[COLUMNS]
