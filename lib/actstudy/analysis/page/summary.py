"""The summary page: what was compared, what came out, on how many seeds, and what did not finish."""

import os
import shlex
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from actstudy.analysis.page import (
    cell_groups,
    health_tables,
    replication_tables,
    result_tables,
    tuning_tables,
    verdict_tables,
)
from actstudy.analysis.page.markdown import (
    block,
    cell_name,
    code,
    markdown,
    metric_name,
    number,
    prose,
    spread,
)
from actstudy.analysis.questions import contrasts, procedure
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.spec import layered

MOST_GROUPS = 8  # of cells, told one by one
SHARED, SAME, PARTIAL = (
    "several share it",
    "all have the same",
    "not every level has a completed run",
)
TEMPLATES = Path(__file__).parent


def write(tables: Tables, figures: Path, out: Path, partial: bool = False) -> str:
    """The Markdown page of a study; figures are linked relative to `out`'s folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    runs = tables.frames["runs"]
    once = runs.drop_duplicates(
        "run_id"
    )  # at a chosen rate that is the fixed one a run stands twice
    return environment.get_template("summary.md.j2").render(
        plan=tables.plan,
        n_planned=len(once),
        n_completed=int((once["status"] == "completed").sum()),
        partial=partial,
        tasks=[_task(tables, task, figures, out) for task in tables.plan.tasks],
        glance=result_tables.glance(tables),
        claims=_claims(tables),
        spend=f"{100 * procedure.ALPHA * contrasts.family_share(tables.plan):g}%"
        + (
            " (the task's part of the study's 5%)"
            if contrasts.family_share(tables.plan) < 1
            else ""
        ),
        ranks=result_tables.ranked(tables),
        time=result_tables.time(once),
        figures=_shown(registry.study_figures(), figures / "study", out),
        incomplete=_incomplete(tables),
        provenance=_provenance(runs),
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )


def shown(value: object) -> Markup:
    """A value as it stands on the page: text of others is on it, of which nothing may act."""
    return value if isinstance(value, Markup) else Markup(prose(value))  # noqa: S704  (prose escapes)


def _task(tables: Tables, task: str, figures: Path, out: Path) -> dict[str, Any]:
    settings = tables.plan.tasks[task]
    return {
        **vars(settings),
        "name": task,
        "metric_name": metric_name(settings.metric),
        "subsets": _subsets(tables.of("runs", task)),
        "verdict": verdict_tables.sentence(tables, task),
        "best": best(tables, task),
        "references": [
            {**row, "val": number(row["val"]), "test": number(row["test"])}
            for row in tables.of("references", task).to_dict("records")
        ],
        "recipe_block": block(
            yaml.safe_dump(
                layered(settings.recipe, settings.axes),
                sort_keys=True,
                default_flow_style=None,
                width=110,
            ).strip(),
            "yaml",
        ),
        "results": result_tables.results(tables, task),
        "many": cell_groups.many(tables.of("cells", task)),
        "many_contrasts": cell_groups.many(verdict_tables.primary(tables, task)),
        "contrasts": verdict_tables.table(tables, task),
        "notes": verdict_tables.notes(tables, task),
        "all_pairs": verdict_tables.all_pairs(tables, task),
        "controls": verdict_tables.controls(tables, task),
        "tuning": tuning_tables.sentences(tables, task),
        "targets_table": result_tables.targets(tables, task),
        "compute": result_tables.compute(tables, task),
        "health": health_tables.says(tables, task),
        "early": health_tables.early(tables, task),
        "figures": _shown(settings.figures, figures / task, out),
    }


def _claims(tables: Tables) -> dict[str, Any] | None:
    """The sentences and the table of the study's claims, where it makes any."""
    made, stated = tables.frames["claims"], tables.plan.claims
    return (
        {
            "told": replication_tables.claim_sentences(made, stated),
            "table": markdown(replication_tables.claim_rows(made)),
        }
        if stated
        else None
    )


def _subsets(runs: pd.DataFrame) -> list[str]:
    """What of a task's data is not the whole data set, by name."""
    if "data_subset" not in runs:
        return []
    part = runs[["data", "data_subset"]].dropna().drop_duplicates()
    return [f"{row.data} is {row.data_subset}" for row in part.itertuples()]


def _shown(names: Iterable[str], folder: Path, out: Path) -> list[dict[str, str]]:
    """The figures of a folder that were drawn, linked relative to the page."""
    paths = [folder / f"{name}.txt" for name in names]
    return [
        {
            "name": path.stem,
            "path": os.path.relpath(path.with_suffix(".png"), out.parent),
            "caption": path.read_text(encoding="utf-8").strip(),
        }
        for path in paths
        if path.is_file()
    ]


def best(tables: Tables, task: str) -> list[str]:
    """The `outcome` of each group of cells; of more than MOST_GROUPS, how often each level is the best."""
    runs = tables.of("runs", task)
    groups = runs["group"].unique()
    if len(groups) <= MOST_GROUPS:
        return [outcome(tables, task, group) for group in groups]
    return [most_often_best(tables, task, len(groups))] if runs["level"].nunique() > 1 else []


def most_often_best(tables: Tables, task: str, n_groups: int) -> str:
    """In how many groups of cells each level has the best mean, the most first, and in how many none can have."""
    higher = tables.plan.tasks[task].higher_is_better
    wins, rest = Counter[str](), dict.fromkeys((SHARED, SAME, PARTIAL), 0)
    for _, part in tables.reported(task).groupby("group", sort=False):
        top = part.loc[
            part["mean"] == (part["mean"].max() if higher else part["mean"].min()), "level"
        ]
        if not part["n"].all():
            rest[PARTIAL] += 1
        elif len(top) == 1:
            wins[top.iloc[0]] += 1
        else:
            rest[SAME if len(top) == len(part) else SHARED] += 1
    counts = ", ".join(f"{level} in {n}" for level, n in wins.most_common())
    told = [f"the best mean: {counts}"] * bool(wins) + [
        f"{what} in {n}" for what, n in rest.items() if n
    ]
    return f"{n_groups} groups of cells, {'; '.join(told)}. The best of several flatters itself."


def outcome(tables: Tables, task: str, group: str) -> str:
    """One sentence that names the best mean of a group of cells, and of how many it is the best."""
    sign = tables.plan.tasks[task].sign
    found = tables.reported(task).query("group == @group and n > 0")
    where = f"{group}: " if group else ""
    if found.empty:
        return f"{where}no run has completed."
    first = found.loc[(sign * found["mean"]).idxmax()]
    if len(found) > 1 and found["mean"].nunique() == 1:
        return f"{where}all {len(found)} have the same mean, {number(first['mean'])}."
    mean = f"{spread(first['mean'], first['sd'])}, n = {first['n']} of {first['n_planned']} seeds"
    return f"{where}{first['level']} has the best mean of {len(found)}, {mean}; the best of several flatters itself."


def _incomplete(tables: Tables) -> list[dict[str, Any]]:
    rows = tables.frames["incomplete"].fillna("").to_dict("records")
    file = shlex.quote(tables.plan.file)
    again = "snakemake" if tables.plan.study == "default" else f"snakemake --configfile {file}"
    for row in rows:
        folder = f"results/runs/{row['task']}/{row['run_id']}"
        clear = f"python -m actstudy retry {folder} && " if row["status"] != "missing" else ""
        row |= {"cell": cell_name(row["level"], row["group"]), "command": code(f"{clear}{again}")}
    return [{str(key): value for key, value in row.items()} for row in rows]


def _provenance(runs: pd.DataFrame) -> dict[str, str]:
    done = runs[runs["status"] != "missing"]
    if done.empty:
        return {"commits": "none", "devices": "none", "versions": "none", "ended": "never"}
    commits = {
        "outside of git"
        if pd.isna(c)
        else f"{c[:12]}{' with uncommitted changes' if dirty is True else ''}"
        for c, dirty in zip(done["git_commit"], done["git_dirty"], strict=True)
    }
    return {
        "commits": ", ".join(sorted(commits)),
        "devices": ", ".join(sorted(done["device"].dropna().unique())),
        "versions": "; ".join(sorted(done["versions"].dropna().unique())),
        "ended": str(done["ended"].max()),
    }
