"""What trains and what stalls in a study of many cells, in sentences."""

from collections.abc import Iterator, Sequence

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import listed, markdown, metric_name
from actstudy.analysis.questions.outcomes import (
    DIVERGES,
    JUDGED_BY,
    STALLS,
    TRAINS,
    best_validation,
    outcomes,
    stall_bounds,
)
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import ENDED

LADDER = "depth"  # the axis whose places are climbed in sentences
MAX_LINES = 12  # of levels that behave alike
NOWHERE = "nowhere"
NOT_RUN = "not run"
LAST = {NOWHERE: 1, NOT_RUN: 2}  # words that come after all others, in this order

Places = dict[str, str]  # axis -> place


def sentences(tables: Tables, task: str) -> list[str]:
    """How many runs train, then where: a sentence per set of levels that train in the same cells.

    Empty if the task predicts tokens, has one group of cells, or if every run trains.
    """
    settings = tables.plan.tasks[task]
    runs = judged_runs(tables, task)
    if runs.empty:
        return []
    metric = JUDGED_BY[settings.predicts]
    counts = runs["outcome"].value_counts()
    words = {TRAINS: "train", STALLS: "stall", DIVERGES: "diverge"}
    numbers = [f"{counts[end]} {word}" for end, word in words.items() if end in counts]
    head = (
        f"Of {len(runs)} runs {listed(numbers)}: a run stalls if its best validation "
        f"{metric_name(metric)} stays below {bound_in_words(runs, settings)}."
    )
    return [head, *by_level(runs, places_of(tables, task, runs))]


def bound_in_words(runs: pd.DataFrame, settings: TaskPlan) -> str:
    """The best validation value below which a run stalls: `15%`; of several data sets each."""
    size = scale.of_metric(JUDGED_BY[settings.predicts], settings.predicts)
    bounds = sorted(set(stall_bounds(runs, settings)))
    return " or ".join(f"{size.factor * bound:.3g}{size.unit}" for bound in bounds)


def judged_runs(tables: Tables, task: str) -> pd.DataFrame:
    """The runs of a task that have ended, with their `outcome`; none if there is nothing to say.

    That is so if the task predicts tokens, has one group of cells, if every run trains, or if the
    learning curves are not there.
    """
    judged = with_outcomes(tables, task)
    none = judged.head(0)
    if len(tables.places(task)) < 2 or judged.empty:
        return none
    judged = judged[judged["status"].isin(ENDED)]
    return none if (judged["outcome"] == TRAINS).all() else judged


def with_outcomes(tables: Tables, task: str) -> pd.DataFrame:
    """All runs of a task with their `outcome`; none if its task has no chance level to judge by.

    None too if the learning curves are not there, which have the best validation values.
    """
    settings = tables.plan.tasks[task]
    metric = JUDGED_BY.get(settings.predicts)
    runs = tables.of("runs", task)
    if not metric or runs.empty:
        return runs.head(0).assign(outcome="")
    curves = tables.of("curves", task)
    best = pd.Series(dtype=float) if curves.empty else best_validation(curves, metric)
    if best.empty and tables.lacks:
        return runs.head(0).assign(outcome="")
    return runs.assign(outcome=outcomes(runs, best, stall_bounds(runs, settings)))


def table(tables: Tables, task: str) -> str:
    """Where each level trains: a row per line of cells, such as an initialisation, as Markdown.

    Empty without cells that differ in depth and in something else, or if rows are too many.
    """
    runs = judged_runs(tables, task)
    places = places_of(tables, task, runs)
    ladder = ladder_of(places)
    lines = groups_by_line(places, ladder)
    if not ladder or not 2 <= len(lines) <= MAX_LINES:
        return ""
    climbed = sorted({place[ladder] for place in places.values()}, key=rung)
    head = f"{task}: trains ({n_words(runs)})"
    rows = {line: {head: line} for line in lines}
    for level, shares in shares_by_level(runs):
        for line, groups in lines.items():
            own = {places[group][ladder]: shares[group] for group in groups if group in shares}
            rows[line][level] = reach(own, climbed)
    return markdown(list(rows.values()))


def places_of(tables: Tables, task: str, runs: pd.DataFrame) -> dict[str, Places]:
    """Group of cells -> its place on each axis, of the groups that have one of these runs."""
    groups = set(runs["group"])
    return {group: place for group, place in tables.places(task).items() if group in groups}


def n_words(runs: pd.DataFrame) -> str:
    """How many of some runs a cell has: `n = 8 seeds`, of unequal ones `n = 3 to 8 seeds`."""
    counts = runs.groupby(["level", "group"]).size()
    ends = sorted({int(counts.min()), int(counts.max())})
    return f"n = {' to '.join(map(str, ends))} {'seed' if ends == [1] else 'seeds'}"


def ladder_of(places: dict[str, Places]) -> str:
    """The axis that is climbed, empty if a group of cells has no number on it."""
    steps = {place.get(LADDER, "") for place in places.values()}
    return LADDER if all(step.isdigit() for step in steps) else ""


def by_level(runs: pd.DataFrame, places: dict[str, Places]) -> list[str]:
    """A sentence per set of levels that train in the same cells.

    runs: with `outcome`; places: group of cells -> its place on each axis.
    """
    levels_by_text: dict[str, list[str]] = {}
    for level, shares in shares_by_level(runs):
        levels_by_text.setdefault(where(shares, places), []).append(level)
    texts = []
    for text, levels in levels_by_text.items():
        verb = "trains" if len(levels) == 1 else "train"
        texts.append(f"{listed(levels)} {verb} {text}.")
    return texts


def shares_by_level(runs: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Each level, and the share of its runs that train by group of cells; runs: with `outcome`."""
    for level, part in runs.groupby("level", sort=False):
        trains = part["outcome"] == TRAINS
        yield str(level), trains.groupby(part["group"]).mean()


def where(shares: pd.Series, places: dict[str, Places]) -> str:
    """In which cells a level trains: `at every depth with init=he_normal; nowhere with ...`.

    shares: group -> the share of its runs that train; places: group -> its place on each axis, of
    all groups with runs of any level.
    """
    ladder = ladder_of(places)
    climbed = sorted({place.get(ladder, "") for place in places.values()}, key=rung)
    lines_by_reach: dict[str, list[str]] = {}
    for line, groups in groups_by_line(places, ladder).items():
        there = [group for group in groups if group in shares.index]
        share_by_step = {places[group].get(ladder, ""): shares[group] for group in there}
        lines_by_reach.setdefault(reach(share_by_step, climbed), []).append(line)
    everywhere = len(lines_by_reach) == 1
    texts = []
    for text, lines in sorted(lines_by_reach.items(), key=lambda item: LAST.get(item[0], 0)):
        if everywhere or not any(lines):
            texts.append(text)
        else:
            texts.append(f"{text} with {several(lines)}")
    return "; ".join(texts)


def rung(step: str) -> int:
    """A place on the ladder as a number."""
    return int(step or 0)


def groups_by_line(places: dict[str, Places], ladder: str) -> dict[str, list[str]]:
    """A group's place on all axes but the ladder, in words -> those groups."""
    lines: dict[str, list[str]] = {}
    for group, place in places.items():
        others = [named(axis, value) for axis, value in place.items() if axis != ladder]
        lines.setdefault(", ".join(others), []).append(group)
    return lines


def named(axis: str, value: str) -> str:
    """A place in words; an initialisation and arguments name themselves."""
    return value if axis == "init" or axis.endswith("_args") else f"{axis}={value}"


def several(lines: Sequence[str]) -> str:
    """Places in words: `he_normal or orthogonal`; of very many the first and a count."""
    if len(lines) <= MAX_LINES:
        return listed(lines, "or")
    return f"{', '.join(lines[:MAX_LINES])} or {len(lines) - MAX_LINES} more"


def reach(share_by_step: dict[str, float], steps: Sequence[str]) -> str:
    """At which steps of the ladder a level trains, in words; its share where only some runs do.

    Steps without a share have no run that has ended; they are named.
    """
    if not share_by_step:
        return NOT_RUN
    whole = [step for step in steps if share_by_step.get(step, 0.0) == 1.0]
    some = [step for step in steps if 0.0 < share_by_step.get(step, 0.0) < 1.0]
    parts = []
    if steps == [""]:
        parts += ["in every run"] if whole else []
    elif len(whole) == len(steps):
        parts.append(f"at every {LADDER}")
    elif len(whole) > 1 and whole == list(steps[: len(whole)]):
        parts.append(f"up to {LADDER} {whole[-1]}")
    elif whole:
        only = " only" if len(whole) == 1 and not some else ""
        parts.append(f"at {LADDER} {listed(whole)}{only}")
    for step in some:
        at = f" at {LADDER} {step}" if step else ""
        parts.append(f"in {share_by_step[step]:.0%} of the runs{at}")
    missing = [step for step in steps if step not in share_by_step]
    parts = parts or [NOWHERE]
    if missing:
        parts.append(f"{NOT_RUN} at {LADDER} {listed(missing)}")
    return ", ".join(parts)
