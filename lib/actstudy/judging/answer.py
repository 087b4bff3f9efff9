"""All that is said of a source: verdicts, ranks, single differences, and what was assumed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from actstudy.analysis.questions import collapse
from actstudy.contract import errors
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import ANYTIME
from actstudy.judging import question as asking
from actstudy.judging.judged import judged, task_values
from actstudy.judging.question import PAIRED, UNPAIRED, Question
from actstudy.judging.ranks import ranked
from actstudy.judging.scores import CELL, Scores, checked
from actstudy.judging.summaries import ASSUMPTION
from actstudy.judging.welch import MIN_RUNS

LOWER = re.compile(  # in the names of metrics of which less is better
    r"loss|error|perplex|ppl|nll|rmse|seconds|latency|\b(mae|mse|wer|fid)\b"
)
DOTS = [*CELL, "difference"]


@dataclass(frozen=True)
class Answer:
    """A question to a source, answered.

    contrasts: as of `judged`; ranks: as of `ranks`; dots: DOTS, each typical run of a level minus
    that of the baseline of its seed, or minus the baseline's mean if runs are independent.
    """

    source: str
    scores: Scores
    question: Question
    contrasts: pd.DataFrame
    ranks: pd.DataFrame
    dots: pd.DataFrame
    assumptions: list[str]


def answer(scores: Scores, question: Question, source: str) -> Answer:
    """The answer; StudyError, one line, if the numbers allow none."""
    contrasts = judged(scores, question, source)
    method = contrasts.attrs["method"]
    own = replace(question, paired=method == PAIRED)
    ranks = ranked(scores, own, source)
    if scores.summaries is not None:
        sentences = [*scores.assumptions, f"It is judged {ASSUMPTION}."]
        return Answer(source, scores, own, contrasts, ranks, pd.DataFrame(columns=DOTS), sentences)
    rows = checked(scores.frame, source)
    sentences = [*scores.assumptions, how_taken(question, scores, method, rows)]
    sentences += of_runs(rows, method, question.baseline, question.family)
    if question.looks:
        sentences.append(
            "Seeds came in the order of their numbers. Ranks are of all seeds at once."
        )
    dots = differences(rows, scores, own)
    return Answer(source, scores, own, contrasts, ranks, dots, sentences)


def joined(parts: Sequence[tuple[str, Scores]]) -> Scores:
    """The scores of several sources as those of one; StudyError if they do not measure the same.

    parts: source and scores of each; their rows are named SOURCE:ROW.
    """
    first_source, first = parts[0]
    if len(parts) == 1:
        return first
    frames = []
    assumptions: list[str] = []
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
    whole = pd.concat(frames)
    return replace(first, frame=whole, assumptions=tuple(dict.fromkeys(assumptions)))


def with_direction(scores: Scores, is_stated: bool) -> Scores:
    """The scores, which say what is better; StudyError if their name speaks against the default.

    is_stated: whether the user has said it.
    """
    name = scores.metric
    if scores.higher_is_better and not is_stated and LOWER.search(name.lower()):
        raise StudyError(
            f"{name!r:.60}: higher is better, or lower? to fix: --lower-is-better, or "
            "--higher-is-better"
        )
    which = "Higher" if scores.higher_is_better else "Lower"
    sentence = f"{which} values are taken as better."
    return replace(scores, assumptions=(*scores.assumptions, sentence))


def how_taken(question: Question, scores: Scores, method: str, rows: pd.DataFrame) -> str:
    """Whether runs are pairs, and who says so."""
    if question.paired is not None:
        reason = "as asked"
    elif scores.paired is not None:
        reason = "as the source says"
    else:
        share = asking.shared_seeds(rows, question.baseline)
        reason = f"as {share:.0%} of the seeds of the side with fewer runs are the other's too"
        if share == 1:
            reason = "as all seeds of the side with fewer runs are the other's too"
    if method == UNPAIRED:
        text = "Runs are taken as independent"
        how = "Welch's tests under permutations of the runs"
    else:
        text = "Runs of one seed are taken as pairs"
        how = "their differences are tested under changes of sign"
        if question.looks == ANYTIME:
            how = "their differences are bet on, seed by seed in the order of the seeds"
    return f"{text}, {reason}: {how}."


def of_runs(rows: pd.DataFrame, method: str, baseline: str, family: str) -> list[str]:
    """What is to be known of the runs: unequal n, seeds without a partner, endings, no spread."""
    sentences = [*unequal(rows), *diverged(rows)]
    if method == PAIRED:
        sentences += without_partner(rows, baseline)
    cells = rows.groupby(CELL, sort=False)["value"]
    constant = cells.nunique()[(cells.nunique() == 1) & (cells.count() > 1)]
    for task, group, level in constant.index:
        sentences.append(
            f"All runs of {place(task, group, level)} have one value: were they seeded?"
        )
    if rows["chance"].isna().all():
        sentences.append("Chance level is not stated (--chance): no run counts as collapsed.")
    if rows["task"].nunique() > 1 and family == "task":
        sentences.append("Each task has its own 5% of false verdicts, unless asked otherwise.")
    return sentences


def place(*names: str) -> str:
    """A cell in words: `mlp depth=2 relu`."""
    return errors.visible(" ".join(filter(None, names)))


def unequal(rows: pd.DataFrame) -> list[str]:
    """A sentence if levels have different numbers of runs."""
    counts = rows.groupby(CELL, sort=False).size()
    if counts.nunique() == 1:
        return []
    least = [place(*cell) for cell in counts.index[counts == counts.min()]]
    names = ", ".join(least[: errors.MAX_NAMES])
    return [f"Levels have {counts.min()} to {counts.max()} runs; {counts.min()} of {names}."]


def diverged(rows: pd.DataFrame) -> list[str]:
    """A sentence per cell with diverged runs."""
    sentences = []
    for cell, part in rows.groupby(CELL, sort=False):
        n = int(part["diverged"].sum())
        if n and part["chance"].notna().all():
            counts = "they stand at chance level, and are left out if the others train"
        elif n:
            counts = "chance level is not stated, so that they have no number and count for nothing"
        else:
            continue
        sentences.append(f"{n} of {len(part)} runs of {place(*cell)} diverged: {counts}.")
    return sentences


def without_partner(rows: pd.DataFrame, baseline: str) -> list[str]:
    """A sentence if a run's seed is not one of the other side, so that it is in no pair."""
    lost = []
    for (task, group), part in rows.groupby(["task", "group"], sort=False):
        seeds = {level: set(own) for level, own in part.groupby("level", sort=False)["seed"]}
        of_baseline = seeds.pop(baseline)
        for level, own in seeds.items():
            n = len(own ^ of_baseline)
            if n:
                lost.append(f"{n} of {place(task, group, level)}")
    if not lost:
        return []
    names = ", ".join(lost[: errors.MAX_NAMES])
    return [f"Runs without a partner of their seed are in no pair, on either side: {names}."]


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
