"""The verdicts of a study in words and as tables of the summary page."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from actstudy.analysis.page import cell_groups
from actstudy.analysis.page.markdown import (
    cell_name,
    interval,
    markdown,
    metric_name,
    number,
    signed,
)
from actstudy.analysis.questions.contrasts import describe_verdict
from actstudy.analysis.questions.seed_values import paired
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import ENDED

MOST_GROUPS = 4  # told one by one; more are counted
CLAUSES = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "equivalent (below the margin)": "equivalent",
}


def sentence(tables: Tables, task: str) -> str:
    """What a reader must know first: who is better, worse, equivalent or undecided against the baseline."""
    settings, found = tables.plan.tasks[task], primary(tables, task)
    if found.empty:
        return f"{settings.title}: there is no level beside {settings.baseline} to compare."
    n, groups = int(found["n"].max()), list(found["group"].unique())
    if n == 0:
        return f"{settings.title}: no seed has a run in every cell that may be compared yet."
    told = [
        f"{group + ': ' if group else ''}{clause(found[found['group'] == group], settings)}"
        for group in groups
    ]
    if len(groups) > MOST_GROUPS:
        told = [counted(found, level, len(groups)) for level in found["level"].unique()]
    if (found["verdict"] == "too few seeds").all():
        told = [
            f"no verdict on n = {n} {'seed' if n == 1 else 'seeds'}, for it takes 8",
            *beyond_chance(found, len(groups)),
        ]
    else:
        told[-1] += f" (n = {n} seeds)"
    what = f"{settings.title}, test {metric_name(settings.metric)} against {settings.baseline}"
    return f"{what}: {'; '.join(told)}.{no_better(tables, task)}"


def clause(part: pd.DataFrame, settings: TaskPlan) -> str:
    """The verdicts of one group of cells: `gelu and silu are better; elu is undecided (14 more seeds)`."""
    unit = f" {settings.log_unit}" if settings.log_unit else ""
    told = []
    for verdict in ("better", "worse", "equivalent", "equivalent (below the margin)"):
        names = list(part.loc[part["verdict"] == verdict, "level"])
        if names:
            within = f" (within {settings.margin:g}{unit})" if verdict == "equivalent" else ""
            below = " by less than matters" if verdict.endswith("margin)") else ""
            word = "different" if below else verdict
            told.append(
                f"{listed(names)} {'is' if len(names) == 1 else 'are'} {word}{within}{below}"
            )
    undecided = [
        f"{row['level']} ({takes(row)})"
        for row in part.to_dict("records")
        if row["verdict"] not in CLAUSES
    ]
    told += [f"undecided: {', '.join(undecided)}"] if undecided else []
    return "; ".join(told)


def takes(row: Mapping[str, Any]) -> str:
    """What a contrast without a verdict waits for: `14 more seeds`."""
    return describe_verdict(row).removeprefix("undecided: ")


def counted(found: pd.DataFrame, level: str, groups: int) -> str:
    """A level's verdicts over many groups of cells: `gelu better in 3, undecided in 45 of 48 groups`."""
    counts = found.loc[found["level"] == level, "verdict"].value_counts()
    return f"{level} {', '.join(f'{verdict} in {count}' for verdict, count in counts.items())} of {groups} groups"


def beyond_chance(found: pd.DataFrame, groups: int) -> list[str]:
    """Where seeds are too few for a verdict: the largest difference, as no more than that."""
    seen = found[found["mean"].notna()]
    if seen.empty or groups > MOST_GROUPS:
        return []
    row = seen.loc[seen["mean"].abs().idxmax()]
    told = f"the largest mean difference is {signed(row['mean'], 0.0)}, of {cell_name(row['level'], row['group'])}"
    return [
        told + (f" (95% interval {interval(row['low'], row['high'], 0.0)})" if row["n"] > 1 else "")
    ]


def no_better(tables: Tables, task: str) -> str:
    """A warning where no level's mean is better than a reference method's."""
    sign = tables.plan.tasks[task].sign
    mine, warned = tables.reported(task).query("n > 0"), []
    for row in tables.of("references", task).drop_duplicates(["data", "name"]).itertuples():
        if len(mine) and sign * row.test >= (sign * mine["mean"]).max():
            warned.append(
                f" No mean is better than the reference without a network, {row.name}: {number(row.test)}."
            )
    return "".join(warned)


def table(tables: Tables, task: str) -> str:
    """The primary contrasts, with as many decimals as the metric's own values have (logarithms: 4)."""
    cells, settings = tables.of("cells", task), tables.plan.tasks[task]
    size = (
        0.0 if settings.log_unit else cells.loc[cells["metric"] == settings.metric, "mean"].mean()
    )
    unit = f", {settings.log_unit}" if settings.log_unit else ""
    if cell_groups.many(found := primary(tables, task)):
        return cell_groups.differences(found, f"difference from {settings.baseline}{unit}", size)
    return markdown(
        [
            {
                "cell": cell_name(row["level"], row["group"]),
                f"difference from {settings.baseline}{unit}": signed(row["mean"], size)
                if row["n"]
                else "none",
                "interval": interval(row["low"], row["high"], size)
                if row["n"] > 1
                else "none below 2 seeds",
                "p": f"{row['p']:.4f}" if pd.notna(row["p"]) else "",
                "verdict": describe_verdict(row),
                "n": row["n"],
                "test set's standard error": f"{row['test_se']:.4f}"
                if pd.notna(row["test_se"])
                else "",
            }
            for row in found.to_dict("records")
        ],
        "There is no level beside the baseline.",
    )


def notes(tables: Tables, task: str) -> list[str]:
    """What a careful reader must know about the contrasts: levels of intervals, too small a margin, divergence."""
    found, settings = primary(tables, task), tables.plan.tasks[task]
    levels = sorted({f"{100 * level:g}%" for level in found["interval_level"].dropna()})
    told = [f"Intervals are Student t at {listed(levels)}, each for itself."] if levels else []
    if (used := settings.looks_runs) and not used.ended:
        told.append(f"Seeds are being added: {used.run} are asked for by now.")
    elif used:
        n_cells = len(tables.of("runs", task)[["group", "level"]].drop_duplicates())
        saved = (used.all - used.run) * n_cells
        told.append(
            f"Seeds were added until all was decided or {used.all} had run: it took {used.run}, which saved "
        )
        told[-1] += f"{saved} of {used.all * n_cells} runs."
    runs = tables.of("runs", task)
    ended = runs[runs["status"].isin(ENDED)]
    if (
        len(ended)
        and (
            lost := ended[~paired(ended, tables.plan, settings.baseline)]["level"].value_counts()
        ).any()
    ):
        names = listed([f"{count} of {level}" for level, count in lost.items()])
        told.append(
            f"Not compared: {names}, for they saw other batches, precision or engine than the baseline's run."
        )
    half = found["test_se"].max() / 2
    if settings.margin < half:
        told.append(
            f"The margin, {settings.margin:g}, is below half the test set's standard error of a difference "
            f"({half:.2g}): on another test set of this size a difference so small would not stand."
        )
    diverged = found[(found["n_diverged"] > 0) | (found["n_diverged_baseline"] > 0)]
    if cell_groups.many(diverged):
        return [*told, cell_groups.lost(diverged)]
    for row in diverged.to_dict("records"):
        told.append(
            f"{cell_name(row['level'], row['group'])} diverged in {row['n_diverged']:.0f} seeds, {row['baseline']} in "
            f"{row['n_diverged_baseline']:.0f} (exact McNemar p = {row['p_mcnemar']:.3f}); they count at chance level."
        )
    return told


def all_pairs(tables: Tables, task: str) -> str:
    """The second family in a sentence: how many pairs it decided, and which."""
    found = tables.of("contrasts", task).query("family == 'all pairs'")
    decided = found[found["verdict"].isin(["better", "worse"])]
    pairs = [
        " better than ".join(
            (cell_name(row.level, row.group), row.baseline)[:: 1 if row.verdict == "better" else -1]
        )
        for row in decided.itertuples()
    ]
    shown = f": {'; '.join(pairs)}" if 0 < len(pairs) <= 20 else ""
    return (
        f"All pairs, a second family with an error rate of its own: {len(decided)} of {len(found)} are better or worse"
        f"{shown}. All are in tables/contrasts.csv."
    )


def controls(tables: Tables, task: str) -> list[str]:
    """The noise floor: pairs of levels that are one function in two spellings, so that any difference is noise."""
    found = tables.of("contrasts", task).query("family == 'all pairs' and n > 1")
    told = []
    runs = tables.of("runs", task)
    plain = (
        "activation_args" in runs
        and runs.set_index("level")["activation_args"].isin(["{}"]).groupby("level").all()
    )
    for one, other in registry.literal("nets/activations.py", "NULL_PAIRS"):
        if plain is False or not (
            plain.get(one) and plain.get(other)
        ):  # with arguments they may be two functions
            continue
        for row in found[
            found["level"].isin([one, other]) & found["baseline"].isin([one, other])
        ].itertuples():
            where = f" ({row.group})" if row.group else ""
            size = (
                f"{signed(row.mean, 0.0)}, sd over seeds {number(row.sd)}, verdict: {row.verdict}"
            )
            noise = (
                "Differences of this size are noise."
                if row.sd
                else "They agree in every seed: no noise to see."
            )
            if row.verdict in ("better", "worse"):
                noise = "The control fails: what the others differ by may be chance as well."
            told.append(
                f"Negative control{where}: {one} and {other} are one function in two spellings; mean difference {size} "
                f"(n = {row.n}). {noise}"
            )
    return told


def primary(tables: Tables, task: str) -> pd.DataFrame:
    """The contrasts with the baseline."""
    found = tables.of("contrasts", task)
    return found[found["family"] == "primary"]


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
