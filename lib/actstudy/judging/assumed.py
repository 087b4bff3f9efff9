"""What an answer takes for granted, in sentences: how runs are taken and tested, what is odd."""

from collections.abc import Mapping

import pandas as pd

from actstudy.contract import errors
from actstudy.contract.plan import ANYTIME
from actstudy.judging import question as asking
from actstudy.judging.question import PAIRED, SUMMARIES, UNPAIRED, Question
from actstudy.judging.scores import CELL, Scores
from actstudy.study.looks import LOOKS

TESTS = {  # method -> the tests of a difference
    PAIRED: "the step-down max |t| test under changes of sign",
    UNPAIRED: "the larger of Welch's test with Holm's method and a step-down test by permutations",
    SUMMARIES: "Welch's test with Holm's method",
}
WITHOUT_CHANCE = "in no difference, as chance level is not stated (--chance)"
EQUIVALENCE = "of equivalence from two one-sided t tests"
NO_RANKS = (
    "No ranks, and no levels that may be the best: their tests hold for one look at all seeds, "
    "not for several."
)
BETS = (
    "bets on the differences that take their noise as nearly normal, with Holm's method, of "
    "equivalence likewise"
)


def of_tests(question: Question, contrasts: pd.DataFrame) -> list[str]:
    """Which p stands in the table, for what it is adjusted, and that an interval is not.

    contrasts: as of `judged`.
    """
    method = contrasts.attrs["method"]
    tests = f"{TESTS[method]}; {EQUIVALENCE}"
    if question.looks == ANYTIME:
        tests = BETS
    limit = "the share of 5% that its look may spend" if question.looks is True else "0.05"
    if question.family == "study":
        limit += ", divided by the number of tasks"
    return [
        *one_margin(question, contrasts),
        f"p of a difference comes from {tests}. It is adjusted for {family(question, contrasts)}; "
        f"a verdict takes p of at most {limit}.",
        "An interval is of one comparison alone: it may leave out 0 although p decides nothing.",
    ]


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


def one_margin(question: Question, rows: pd.DataFrame) -> list[str]:
    """A sentence if one number is the margin of several tasks; rows: with a column of tasks."""
    tasks = [errors.visible(task) for task in rows["task"].unique()]
    if len(tasks) < 2 or isinstance(question.margin, Mapping):
        return []
    more = f" and {len(tasks) - errors.MAX_NAMES} more" if len(tasks) > errors.MAX_NAMES else ""
    names = ", ".join(tasks[: errors.MAX_NAMES]) + more
    return [
        f"One margin, {float(question.margin):g}, is that of {len(tasks)} tasks: {names}. Is a "
        "difference of this size the smallest that matters in each (--margin TASK=VALUE ...)?"
    ]


def family(question: Question, contrasts: pd.DataFrame) -> str:
    """The comparisons that p is adjusted for: `the 3 comparisons with relu`, of one for nothing."""
    primary = contrasts[contrasts["family"] == "primary"]
    paired = contrasts.attrs["method"] == PAIRED
    places = primary.groupby(["task"] if paired else ["task", "group"], sort=False)
    sizes = places.size()
    number = f"{sizes.min()}"
    if sizes.min() < sizes.max():
        number += f" to {sizes.max()}"
    of_each = ""
    if len(sizes) > 1:
        of_each = " of each task" if paired else " of each task and group"
    baseline = errors.visible(question.baseline)
    if number == "1":
        return f"nothing, as there is one comparison with {baseline}{of_each}"
    return f"the {number} comparisons with {baseline}{of_each}"


def of_source(question: Question, scores: Scores, method: str, rows: pd.DataFrame) -> list[str]:
    """How runs are taken, and what is to be known of them; rows: of `scores.checked`."""
    first = how_taken(question, scores, method, rows)
    return [first, *of_runs(rows, method, question.baseline, question.family)]


def how_taken(
    question: Question, scores: Scores, method: str, rows: pd.DataFrame, tests: str = ""
) -> str:
    """Whether runs are pairs, who says so, and how they are tested; tests: if not as by `judge`."""
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
    return f"{text}, {reason}: {tests or how}."


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
        sentences.append(
            "Chance level is not stated (--chance): a run that fell to it, but ended with a value, "
            "counts as any other."
        )
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


def diverged(rows: pd.DataFrame, without_chance: str = WITHOUT_CHANCE) -> list[str]:
    """A sentence per cell with diverged runs; without_chance: what they count for without it."""
    sentences = []
    for cell, part in rows.groupby(CELL, sort=False):
        n = int(part["diverged"].sum())
        if not n:
            continue
        counts = without_chance
        if part["chance"].notna().all():
            chance = f"{part['chance'].iloc[0]:g}"
            counts = f"taken as at chance level, {chance}; in no difference if the other runs train"
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
