"""An answer as tables, as a page of Markdown, and for a program."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.markdown import markdown, prose
from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.procedure import TOO_FEW
from actstudy.analysis.scale import Scale
from actstudy.judging.answer import Answer, too_few_words
from actstudy.judging.headline import scale_of, sentences
from actstudy.judging.question import PAIRED, Question
from actstudy.judging.ranks import ALL_TASKS, MARGINS
from actstudy.judging.scores import Scores

SMALLEST_P = 0.0001  # that is printed


def tables(answer: Answer) -> list[tuple[str, str]]:
    """A heading and a Markdown table per group of levels, and over all tasks."""
    parts = []
    ranks = dict(list(answer.ranks.groupby(["task", "group"], sort=False)))
    for (task, group), own in answer.levels.groupby(["task", "group"], sort=False):
        head = ", ".join(filter(None, [str(task), str(group)]))
        rows = level_rows(answer, str(task), str(group), own, ranks.get((task, group)))
        parts.append((head, markdown(rows)))
    over_tasks = ranks.get((ALL_TASKS, ""))
    if over_tasks is not None and over_tasks["unit"].iloc[0] == MARGINS:
        rows = [rank_columns(row) for row in over_tasks.to_dict("records")]
        parts.append((ALL_TASKS, markdown(rows)))
    return parts


def level_rows(
    answer: Answer, task: str, group: str, levels: pd.DataFrame, ranks: pd.DataFrame | None
) -> list[dict[str, str]]:
    """A row per level of a group, the best mean first; ranks: of the same levels, if any."""
    size = scale_of(answer, task)
    table = answer.contrasts
    own = table[(table["task"] == task) & (table["group"] == group)]
    by_level = own[own["family"] == "primary"].set_index("level", drop=False)
    level = own["interval_level"].max()
    every = runs_of(answer.scores, task, group)
    unit = f", {answer.scores.unit}" if answer.scores.unit else ""
    rows = []
    rank_of = {}
    for row in [] if ranks is None else ranks.to_dict("records"):
        rank_of[row["level"]] = rank_columns(row)
    for row in levels.to_dict("records"):
        name = row["level"]
        runs = runs_words(row["n"], every.get(name))
        words = {"level": name, "runs": runs, f"mean{unit}": size.number(row["mean"])}
        if name in by_level.index:
            contrast = by_level.loc[name]
            if contrast["method"] == PAIRED:
                words["pairs"] = f"{contrast['n']}"
            words[f"minus {answer.question.baseline}"] = size.signed(contrast["mean"])
            words |= test_columns(contrast, size, level)
            words["verdict"] = described(contrast)
        else:
            words["verdict"] = "baseline"
        rows.append(words | rank_of.get(name, {}))
    fullest = max(rows, key=len)
    empty = dict.fromkeys(fullest, "")
    return [empty | row for row in rows]


def runs_of(scores: Scores, task: str, group: str) -> dict[str, int]:
    """Level -> all runs of it, diverged ones among them; empty of summaries."""
    frame = scores.frame
    for name, own in (("task", task), ("group", group)):
        if name in frame:
            frame = frame[frame[name].astype(str) == own]
    return frame["level"].astype(str).value_counts().to_dict() if len(frame) else {}


def runs_words(n: int, every: int | None) -> str:
    """How many runs count: `9`, or `9 of 10` if some do not."""
    return f"{n}" if every in (None, n) else f"{n} of {every}"


def test_columns(contrast: pd.Series, size: Scale, level: float) -> dict[str, str]:
    """The interval of a contrast, of it alone, and its p, which are adjusted for the family."""
    columns = {f"{100 * level:g}% interval, not adjusted": ""}
    if math.isfinite(contrast["low"]) and math.isfinite(contrast["high"]):
        columns = dict.fromkeys(columns, size.interval(contrast["low"], contrast["high"]))
    for name, words in (("p", "adjusted p: differs"), ("p_equivalent", "adjusted p: equivalent")):
        p = contrast[name]
        columns[words] = "" if pd.isna(p) else p_words(p)
    return columns


def p_words(p: float) -> str:
    """A p with two digits; no more than 4 decimals are known of one by permutations."""
    return f"{p:.2g}" if p >= SMALLEST_P else f"below {SMALLEST_P:g}"


def rank_columns(row: Mapping[str, Any]) -> dict[str, str]:
    """A level's rank, and whether it may be the best."""
    first = row["first"]
    last = row["last"]
    rank = f"{first}" if first == last else f"{first} to {last}"
    return {
        "level": row["level"],
        "rank": rank,
        "may be the best": "yes" if row["in_set"] else "no",
    }


def described(contrast: pd.Series) -> str:
    """A verdict with its condition, what speaks against it, and what would decide it."""
    if contrast["verdict"] == TOO_FEW and contrast["method"] != PAIRED:
        return too_few_words(contrast)
    if contrast["verdict"] == TOO_FEW and contrast["shared_seeds"] == 0:
        return f"no verdict: no seed is shared with {contrast['baseline']}"
    words = contrasts.describe_verdict(contrast.to_dict())
    return "; ".join([words, *diverged(contrast)])


def diverged(contrast: pd.Series) -> Iterator[str]:
    """Per side with diverged runs that have no value, as chance level is not stated: how many."""
    for suffix, whose in (("", ""), ("_baseline", f" of {contrast['baseline']}")):
        n = contrast[f"n_diverged{suffix}"]
        if contrast[f"trains{suffix}"] is None and pd.notna(n) and n:
            runs = f"{n:.0f} of {contrast[f'n_runs{suffix}']:.0f} runs{whose}"
            yield f"{runs} diverged and are in no difference"


def page(answer: Answer, picture: str = "") -> str:
    """The page: sentence, table, figure, what was assumed; picture: the figure's file, if any."""
    lines = [f"# {prose(answer.source)}", ""]
    for sentence in sentences(answer):
        lines += [prose(sentence), ""]
    for head, table in tables(answer):
        lines += [f"## {prose(head)}", ""] if head else []
        lines += [table, ""]
    if picture:
        lines += [f"![Differences from the baseline, with intervals and verdicts]({picture})", ""]
    lines += ["## What was assumed", ""]
    lines += [f"- {prose(sentence)}" for sentence in answer.assumptions]
    family = "of all tasks together" if answer.question.family == "study" else "of each task"
    lines.append(f"- At most 5% of false verdicts in the family {family} (docs/statistics.md).")
    if not answer.question.looks:
        lines.append(
            "- Levels that may be the best: the truly best one is among them with 95%. All rank "
            "intervals of a table hold at once with 95%."
        )
    lines.append("")
    return "\n".join(lines)


def as_data(answer: Answer) -> dict[str, Any]:
    """The answer for a program: plain numbers, missing ones as null."""
    return {
        "source": answer.source,
        "sentences": sentences(answer),
        "assumptions": answer.assumptions,
        "method": answer.contrasts.attrs["method"],
        **question_data(answer.scores, answer.question),
        "contrasts": records(answer.contrasts),
        "ranks": records(answer.ranks),
    }


def question_data(scores: Scores, question: Question) -> dict[str, Any]:
    """What was asked of which numbers, for a program."""
    margin = question.margin
    return {
        "metric": scores.metric,
        "unit": scores.unit,
        "higher_is_better": scores.higher_is_better,
        "baseline": question.baseline,
        "margin": dict(margin) if isinstance(margin, Mapping) else margin,
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON has them: floats as they are, missing and infinite ones null."""
    rows = []
    for row in frame.astype(object).to_dict("records"):
        rows.append({str(name): plain(value) for name, value in row.items()})
    return rows


def plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
