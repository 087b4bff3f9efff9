"""The sentence at the top of the summary page: a task's verdicts in words."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import (
    cell_name,
    group_head,
    interval,
    metric_name,
    number,
    signed,
)
from actstudy.analysis.page.verdict_tables import listed, primary
from actstudy.analysis.questions import procedure
from actstudy.analysis.questions.contrasts import describe_verdict
from actstudy.analysis.questions.reservations import WHEN_IT_TRAINS
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

MAX_GROUPS_NAMED = 4  # with a clause each; of more the verdicts are counted
MAX_CELLS_NAMED = 4  # with their collapsed runs


def sentence(tables: Tables, task: str) -> str:
    """Which levels are better, worse, equivalent or undecided against the baseline."""
    settings = tables.plan.tasks[task]
    contrasts = primary(tables, task)
    if contrasts.empty:
        return f"{settings.title}: there is no level to compare with {settings.baseline}."
    n = int(contrasts["n"].max())
    if n == 0:
        return f"{settings.title}: {nothing_to_compare(contrasts)}."
    if (contrasts["verdict"] == "too few seeds").all():
        needed = f"at least {procedure.MIN_SEEDS} seeds are needed"
        verdicts = f"no verdict from n = {n}, {needed}{largest(contrasts)}"
    else:
        verdicts = f"{'; '.join(clauses(contrasts, settings))} (n = {n} seeds)"
        verdicts += f". {risk(contrasts)}" if risk(contrasts) else ""
    what = f"{settings.title}, test {metric_name(settings.metric)} against {settings.baseline}"
    return f"{what}: {verdicts}.{no_better(tables, task)}"


def clauses(contrasts: pd.DataFrame, settings: TaskPlan) -> list[str]:
    """The verdicts of each group of cells in words, or counts per level of many groups."""
    groups = list(contrasts["group"].unique())
    if len(groups) > MAX_GROUPS_NAMED:
        levels = contrasts["level"].unique()
        return [counted(contrasts, level, len(groups)) for level in levels]
    texts = []
    for group in groups:
        part = contrasts[contrasts["group"] == group]
        texts.append(group_head(group) + clause(part, settings))
    return texts


def clause(group: pd.DataFrame, settings: TaskPlan) -> str:
    """The verdicts of a group: `gelu and silu are better; undecided: elu (14 more seeds)`."""
    unit = f" {settings.log_unit}" if settings.log_unit else ""
    words = {
        "better": "better",
        "worse": "worse",
        "equivalent": f"equivalent (within {settings.margin:g}{unit})",
        "equivalent (below the margin)": "different by less than the margin",
    }
    texts = []
    decided = group[group["verdict"].isin(words)]
    for (verdict, condition), part in decided.groupby(["verdict", "condition"], sort=False):
        text = f"{listed(list(part['level']))} {'is' if len(part) == 1 else 'are'} {words[verdict]}"
        if len(part) > 1 and condition == WHEN_IT_TRAINS:
            condition = "when they train"
        texts.append(f"{text} {condition}".strip())
    for row in decided[decided["contradiction"] != ""].to_dict("records"):
        texts.append(f"against {row['level']}'s verdict: {row['contradiction']}")
    undecided = []
    for row in group.to_dict("records"):
        if row["verdict"] not in words:
            undecided.append(f"{row['level']} ({needs(row)})")
    if undecided:
        texts.append(f"undecided: {', '.join(undecided)}")
    return "; ".join(texts)


def nothing_to_compare(contrasts: pd.DataFrame) -> str:
    """Why no contrast has a pair: runs have not ended, or all that have ended diverged."""
    ended = contrasts["n_runs"].fillna(0) > 0
    diverged = contrasts["n_runs"] == contrasts["n_diverged"]
    if ended.all() and diverged.all():
        return "all runs that have ended diverged, so that there is nothing to compare"
    return "no seed has a comparable run of a level and its baseline yet"


def risk(contrasts: pd.DataFrame) -> str:
    """How often runs collapsed, and the largest risk that this does not exclude, as a sentence."""
    sides = []
    for side in ("", "_baseline"):
        columns = {"level" if not side else "baseline": "level"}
        columns |= {f"{name}{side}": name for name in ("n_runs", "n_collapsed", "risk", "trains")}
        sides.append(contrasts[["group", *columns]].rename(columns=columns))
    cells = pd.concat(sides).dropna().drop_duplicates(["group", "level"])
    if cells.empty or not (contrasts["condition"].astype(object).fillna("") != "").any():
        return ""
    idle = cells[~cells["trains"].astype(bool)]
    cells = cells[cells["trains"].astype(bool)]
    sentences = []
    if len(idle):
        sentences.append(f"At chance level in most runs: {named(idle)}")
    if len(cells):
        sentences.append(collapses(cells))
    return ". ".join(sentences)


def named(cells: pd.DataFrame) -> str:
    """The first cells by name, and how many more there are."""
    names = [cell_name(row.level, row.group) for row in cells.head(MAX_CELLS_NAMED).itertuples()]
    if len(cells) > MAX_CELLS_NAMED:
        names.append(f"{len(cells) - MAX_CELLS_NAMED} more cells")
    return listed(names)


def collapses(cells: pd.DataFrame) -> str:
    """How often runs of cells that train collapsed, and which risk that does not exclude."""
    fell = cells[cells["n_collapsed"] > 0]
    highest = f"{cells.loc[cells['n_collapsed'] == 0, 'risk'].max():.0%}"
    if fell.empty:
        return f"No run collapsed, which does not exclude a risk of up to {highest}"
    names = []
    for row in fell.head(MAX_CELLS_NAMED).to_dict("records"):
        names.append(
            f"{cell_name(row['level'], row['group'])} in {row['n_collapsed']:.0f} of "
            f"{row['n_runs']:.0f} runs (a risk of up to {row['risk']:.0%} is not excluded)"
        )
    if len(fell) > MAX_CELLS_NAMED:
        names.append(f"{len(fell) - MAX_CELLS_NAMED} more cells")
    text = f"Collapsed: {listed(names)}"
    if len(fell) < len(cells):
        text += f"; of the others no run, which does not exclude a risk of up to {highest}"
    return text


def needs(row: Mapping[str, Any]) -> str:
    """What a contrast needs for a verdict: `14 more seeds`."""
    return describe_verdict(row).removeprefix("undecided: ")


def counted(contrasts: pd.DataFrame, level: str, n_groups: int) -> str:
    """A level's verdicts in many groups: `gelu better in 3, undecided in 45 of 48 groups`."""
    counts: Counter[str] = Counter()
    for row in contrasts[contrasts["level"] == level].to_dict("records"):
        words = f"{row['verdict']} {row['condition'] or ''}".strip()
        if row["contradiction"]:
            words += " (contradicted)"
        counts[words] += 1
    texts = [f"{words} in {count}" for words, count in counts.most_common()]
    return f"{level} {', '.join(texts)} of {n_groups} groups"


def largest(contrasts: pd.DataFrame) -> str:
    """The largest mean difference, as a clause; empty if there is none or very many groups."""
    known = contrasts[contrasts["mean"].notna()]
    if known.empty or contrasts["group"].nunique() > MAX_GROUPS_NAMED:
        return ""
    row = known.loc[known["mean"].abs().idxmax()]
    cell = cell_name(row["level"], row["group"])
    text = f"; the largest mean difference is {signed(row['mean'], 0.0)}, of {cell}"
    if row["n"] > 1:
        ends = interval(row["low"], row["high"], 0.0)
        text += f" ({100 * row['interval_level']:g}% interval {ends})"
    return text


def no_better(tables: Tables, task: str) -> str:
    """A warning for each reference method that no level's mean is better than."""
    sign = tables.plan.tasks[task].sign
    means = tables.reported(task).query("n > 0")["mean"]
    if means.empty:
        return ""
    warnings = []
    for row in tables.of("references", task).drop_duplicates(["data", "name"]).itertuples():
        if sign * row.test >= (sign * means).max():
            warnings.append(
                " No mean is better than the reference without a network, "
                f"{row.name}: {number(row.test)}."
            )
    return "".join(warnings)
