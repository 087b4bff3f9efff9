"""All that is said of a source: verdicts, ranks, single differences, and what was assumed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from actstudy.analysis.questions import collapse
from actstudy.contract.errors import StudyError
from actstudy.judging import question as asking
from actstudy.judging.assumed import about_looks, of_source, of_tests
from actstudy.judging.judged import judged, task_values
from actstudy.judging.question import PAIRED, Question
from actstudy.judging.ranks import ALL_TASKS, MARGINS, ranked
from actstudy.judging.ranks import COLUMNS as RANKS
from actstudy.judging.scores import CELL, Scores, checked
from actstudy.judging.statistics.summaries import ASSUMPTION
from actstudy.judging.statistics.welch import MIN_RUNS

LOWER = re.compile(  # in the names of metrics of which less is better
    r"loss|error|perplex|ppl|nll|rmse|seconds|latency|\b(mae|mse|wer|fid)\b"
)
DOTS = [*CELL, "difference"]
LEVELS = [*CELL, "n", "mean"]


@dataclass(frozen=True)
class Answer:
    """A question to a source, answered.

    contrasts: as of `judged`; ranks: as of `ranks`, no rows if seeds were looked at several times;
    levels: the mean of each, LEVELS; dots: DOTS, each typical run of a level minus
    that of the baseline of its seed, or minus the baseline's mean if runs are independent.
    """

    source: str
    scores: Scores
    question: Question
    contrasts: pd.DataFrame
    ranks: pd.DataFrame
    levels: pd.DataFrame
    dots: pd.DataFrame
    assumptions: list[str]


def answer(scores: Scores, question: Question, source: str) -> Answer:
    """The answer; StudyError, one line, if the numbers allow none."""
    contrasts = judged(scores, question, source)
    method = contrasts.attrs["method"]
    own = replace(question, paired=method == PAIRED)
    if scores.summaries is not None:
        ranks = ranked(scores, own, source)
        sentences = [*scores.assumptions, f"It is judged {ASSUMPTION}."]
        sentences += of_tests(question, contrasts)
        levels = levels_of_ranks(ranks)
        dots = pd.DataFrame(columns=DOTS)
        return Answer(source, scores, own, contrasts, ranks, levels, dots, sentences)
    rows = checked(scores.frame, source)
    sentences = [*scores.assumptions, *of_source(question, scores, method, rows)]
    if question.looks:
        cells = rows[CELL].drop_duplicates()
        rows, later = last_look(rows, contrasts)
        sentences += about_looks(question, later)
        ranks = pd.DataFrame(columns=RANKS)
        levels = with_all(levels_of_runs(rows, scores, own), cells)
    else:
        ranks = ranked(scores, own, source)
        levels = levels_of_ranks(ranks)
    sentences += of_tests(question, contrasts)
    dots = differences(rows, scores, own)
    return Answer(source, scores, own, contrasts, ranks, levels, dots, sentences)


def joined(parts: Sequence[tuple[str, Scores]]) -> Scores:
    """The scores of several sources as those of one; StudyError if they do not measure the same.

    parts: source and scores of each; their rows are named SOURCE:ROW.
    """
    first_source, first = parts[0]
    if len(parts) == 1:
        return first
    frames = []
    assumptions: list[str] = []
    confounders: list[str] = []
    for source, scores in parts:
        if scores.summaries is not None:
            raise StudyError(
                f"{source}: got means, sd and n; allowed: alone, or runs in all sources"
            )
        for name in ("metric", "unit", "higher_is_better", "paired"):
            got = getattr(scores, name)
            expected = getattr(first, name)
            if got != expected:
                raise StudyError(
                    f"{source}: {name}: got {got!r}; allowed: {expected!r}, as in {first_source}"
                )
        frame = scores.frame
        frames.append(frame.set_axis([f"{source}:{row}" for row in frame.index]))
        assumptions += scores.assumptions
        confounders += scores.confounders
    whole = pd.concat(frames)
    return replace(
        first,
        frame=whole,
        assumptions=tuple(dict.fromkeys(assumptions)),
        confounders=tuple(dict.fromkeys(confounders)),
    )


def with_direction(scores: Scores, is_stated: bool, source: str) -> Scores:
    """The scores, which say what is better; StudyError if their name speaks against the default.

    is_stated: whether the user has said it.
    """
    name = scores.metric
    if scores.higher_is_better and not is_stated and LOWER.search(name.lower()):
        raise StudyError(
            f"{source}: {name!r:.60}: higher is better, or lower? to fix: --lower-is-better, or "
            "--higher-is-better"
        )
    which = "Higher" if scores.higher_is_better else "Lower"
    sentence = f"{which} values are taken as better."
    return replace(scores, assumptions=(*scores.assumptions, sentence))


def differences(rows: pd.DataFrame, scores: Scores, question: Question) -> pd.DataFrame:
    """DOTS: what the means of the contrasts are made of, run by run, level minus baseline."""
    parts = []
    for task, own in rows.groupby("task", sort=False):
        settings = asking.task_plan(question, scores, str(task))
        typical = settings.sign * collapse.gains(task_values(own), settings).typical
        for group, level in typical.columns:
            if level == question.baseline or (group, question.baseline) not in typical:
                continue
            reference = typical[group, question.baseline]
            if not question.paired:
                reference = float(np.nanmean(reference))
            values = (typical[group, level] - reference).dropna()
            part = {"task": task, "group": group, "level": level, "difference": values}
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=DOTS)


def too_few_words(row: pd.Series) -> str:
    """Why a contrast of independent runs has no verdict."""
    return f"too few runs ({row['n_level']} and {row['n_baseline']}; it takes {MIN_RUNS} of each)"


def last_look(rows: pd.DataFrame, contrasts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs that the last look took, and those of later seeds, task by task.

    rows: of `scores.checked`, contrasts: of them, as of `judged`, with looks.
    """
    is_taken = np.full(len(rows), True)
    for task, part in rows.groupby("task", sort=False):
        n_seeds = int(contrasts.loc[contrasts["task"] == task, "seeds"].max())
        later = sorted(part["seed"].unique())[n_seeds:]
        is_taken &= ~((rows["task"] == task) & rows["seed"].isin(later)).to_numpy()
    return rows[is_taken], rows[~is_taken]


def levels_of_ranks(ranks: pd.DataFrame) -> pd.DataFrame:
    """The levels of a table of ranks, LEVELS, without the rows over tasks."""
    is_over_tasks = (ranks["task"] == ALL_TASKS) & (ranks["unit"] == MARGINS)
    return ranks.loc[~is_over_tasks, LEVELS]


def levels_of_runs(rows: pd.DataFrame, scores: Scores, question: Question) -> pd.DataFrame:
    """The typical runs of each level and their mean, LEVELS, the best mean of a group first."""
    parts = []
    for (task, group), part in rows.groupby(["task", "group"], sort=False):
        settings = asking.task_plan(question, scores, str(task))
        typical = collapse.gains(task_values(part), settings).typical
        head = {"task": task, "group": group, "level": [str(level) for _, level in typical]}
        gains = typical.mean().to_numpy()
        own = pd.DataFrame({**head, "n": typical.count().to_numpy(), "mean": gains})
        own = own.sort_values("mean", ascending=False, kind="stable")
        parts.append(own.assign(mean=settings.sign * own["mean"]))
    return pd.concat(parts, ignore_index=True)[LEVELS]


def with_all(levels: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """LEVELS with those of `cells` that have no run of the seeds that were looked at: n is 0."""
    known = set(levels[CELL].itertuples(index=False, name=None))
    absent = [cell not in known for cell in cells.itertuples(index=False, name=None)]
    if not any(absent):
        return levels
    return pd.concat([levels, cells[absent].assign(n=0, mean=np.nan)], ignore_index=True)
