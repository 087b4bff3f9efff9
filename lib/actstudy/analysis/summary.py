"""The summary page: what was compared, what came out, on how many seeds, and what did not finish."""

import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from actstudy.analysis import summary_health, summary_tables
from actstudy.analysis.tables import Tables
from actstudy.analysis.text import cell, cell_name, interval, metric_name, number, signed, spread
from actstudy.study import registry

TEMPLATES = Path(__file__).parent / "templates"


def write(tables: Tables, figures: Path, out: Path, partial: bool = False) -> str:
    """The Markdown page of a study; figures are linked relative to `out`'s folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,  # text from study files and error messages ends up in a page
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    runs = tables.frames["runs"]
    return environment.get_template("summary.md.j2").render(
        plan=tables.plan,
        n_planned=len(runs),
        n_completed=int((runs["status"] == "completed").sum()),
        partial=partial,
        tasks=[_task(tables, task, figures, out) for task in tables.plan["tasks"]],
        glance=summary_tables.glance(tables),
        time=summary_tables.time(runs),
        figures=_shown(registry.figures("study"), figures / "study", out),
        incomplete=_incomplete(tables),
        provenance=_provenance(runs),
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )


def _task(tables: Tables, task: str, figures: Path, out: Path) -> dict[str, Any]:
    settings = tables.plan["tasks"][task]
    return {
        **settings,
        "name": task,
        "metric_name": metric_name(settings["metric"]),
        "subsets": _subsets(tables.of("runs", task)),
        "sentences": [outcome(tables, task, group) for group in tables.of("runs", task)["group"].unique()],
        "references": [
            {**row, "val": number(row["val"]), "test": number(row["test"])}
            for row in tables.of("references", task).to_dict("records")
        ],
        "recipe_yaml": yaml.safe_dump(settings["recipe"], sort_keys=True, default_flow_style=None, width=110).strip(),
        "results": summary_tables.results(tables, task),
        "pairs": summary_tables.pairs(tables, task),
        "targets_table": summary_tables.targets(tables, task),
        "compute": summary_tables.compute(tables, task),
        "health": summary_health.says(tables, task),
        "early": summary_health.early(tables, task),
        "figures": _shown(settings["figures"], figures / task, out),
    }


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


def outcome(tables: Tables, task: str, group: str) -> str:
    """One sentence that names the best mean and what its paired difference from the baseline allows to say."""
    settings = tables.plan["tasks"][task]
    metric, sign = settings["metric"], 1 if settings["higher_is_better"] else -1
    cells = tables.of("cells", task)
    of_metric = (cells["group"] == group) & (cells["metric"] == metric) & (cells["checkpoint"] == "reported")
    reported = cells[of_metric & (cells["n"] > 0)]
    where = f"{settings['title']}{' (' + group + ')' if group else ''}"
    if reported.empty:
        return f"{where}: no run has completed."
    best = reported.loc[(sign * reported["mean"]).idxmax()]
    mean = f"{spread(best['mean'], best['sd'])}, n = {best['n']} of {best['n_planned']} seeds"
    text = f"{where}: {best['level']} has the best mean test {metric_name(metric)}, {mean}"
    for reference in tables.references(task, group).itertuples():
        if sign * reference.test > sign * best["mean"]:
            text += f", worse than the reference without a network ({reference.name}: {number(reference.test)})"
    pairs = tables.of("pairs", task)
    mine = pairs[(pairs["group"] == group) & (pairs["level"] == best["level"])]
    if best["level"] == settings["baseline"]:
        return f"{text}; it is the baseline itself."
    if mine.empty or mine.iloc[0]["n"] < 2:
        return f"{text}; fewer than two paired seeds say nothing about its difference from {settings['baseline']}."
    row, unit = mine.iloc[0], f" {settings['log_unit']}" if settings["log_unit"] else ""
    beside = 0.0 if unit else best["mean"]
    outside = row["low"] > 0 or row["high"] < 0
    reading = "the interval excludes zero" if outside else "the interval includes zero, so the order may be chance"
    return (
        f"{text}; its paired difference from {row['baseline']} is {signed(row['mean'], beside)}{unit} "
        f"(95% interval {interval(row['low'], row['high'], beside)}, n = {row['n']}): {reading}. "
        f"It was picked as the best of {len(reported)}, which this interval does not correct for."
    )


def _incomplete(tables: Tables) -> list[dict[str, Any]]:
    rows = tables.frames["incomplete"].fillna("").to_dict("records")
    file = shlex.quote(tables.plan["file"]).replace("`", "")  # it stands in a code span, which nothing may end
    again = "snakemake" if tables.plan["study"] == "default" else f"snakemake --configfile {file}"
    for row in rows:
        folder = f"results/runs/{row['task']}/{row['run_id']}"
        clear = f"python -m actstudy retry {folder} && " if row["status"] != "missing" else ""
        row["command"] = f"{clear}{again}"
        row |= {"cell": cell(cell_name(row["level"], row["group"])), "reason": cell(row["reason"])}
    return [{str(key): value for key, value in row.items()} for row in rows]


def _provenance(runs: pd.DataFrame) -> dict[str, str]:
    done = runs[runs["status"] != "missing"]
    if done.empty:
        return {"commits": "none", "devices": "none", "versions": "none", "ended": "never"}
    commits = {
        "outside of git" if pd.isna(c) else f"{c[:12]}{' with uncommitted changes' if dirty is True else ''}"
        for c, dirty in zip(done["git_commit"], done["git_dirty"], strict=True)
    }
    return {
        "commits": ", ".join(sorted(commits)),
        "devices": ", ".join(sorted(done["device"].dropna().unique())),
        "versions": "; ".join(sorted(done["versions"].dropna().unique())),
        "ended": str(done["ended"].max()),
    }
