"""Tables of documents with numbers of studies, each from the files of docs/example."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from measured import markdown

from actstudy.analysis import scale
from actstudy.analysis.scale import rounded

DOCS = Path(__file__).resolve().parent
DEFAULT = DOCS / "example/default"
DEPTH = DOCS / "example/small_depth"
AT_CHANCE = 0.12  # of ten classes: chance, and noise of 1,000 test examples
METRICS = {"vision": "accuracy", "cls": "accuracy", "lm": "word_perplexity", "mlp": "accuracy"}
SIZES = ("depth", "width", "stem", "context")
DEPTHS = {"relu": (5, 20, 50), "tanh": (5, 20, 50), "sigmoid": (5, 10), "gelu": (5, 20, 50)}


def score(value: float, task: str) -> str:
    """A metric's value: an accuracy in percent, as on the page, a perplexity without digits."""
    if METRICS[task] == "word_perplexity":
        return f"{rounded(value, 0):,.0f}"
    return scale.of_metric(METRICS[task]).number(value)


def fixed(value: float, digits: int, sign: str = "") -> str:
    """A number with `digits` decimals, halves away from 0; sign: `+`, `,` or both."""
    return f"{rounded(value, digits):{sign}.{digits}f}"


def reported(path: Path, task: str) -> pd.DataFrame:
    """The rows of a task's own metric at the best validation checkpoint, by group and level."""
    cells = pd.read_csv(path, keep_default_na=False, na_values={"mean": "", "sd": ""})
    own = cells[(cells["task"] == task) & (cells["metric"] == METRICS[task])]
    return own[own["checkpoint"] == "reported"].set_index(["group", "level"])


def verdict_words(row: pd.Series) -> str:
    """A contrast's verdict as a table's entry, with a dagger if it holds when both train."""
    if row["verdict"] == "too few seeds":
        return ""
    if row["verdict"] == "undecided":
        return " undecided"
    return f" **{row['verdict']}**" + ("†" if row.get("condition") else "")


def default_study() -> str:
    """Means, sds and verdicts of the default study, a column per task."""
    tasks = ("mlp", "vision", "cls", "lm")
    contrasts = pd.read_csv(DEFAULT / "contrasts.csv", keep_default_na=False)
    primary = contrasts[contrasts["family"] == "primary"].set_index(["task", "level"])
    references = pd.read_csv(DEFAULT / "references.csv").set_index("task")
    cells = {task: reported(DEFAULT / "cells.csv", task).loc[""] for task in tasks}
    rows = [["seeds", *(str(cells[task]["n"].min()) for task in tasks)]]
    for level in cells["mlp"].index:
        entries = []
        for task in tasks:
            cell = cells[task].loc[level]
            entry = f"{score(cell['mean'], task)} ({score(cell['sd'], task)})"
            if (task, level) in primary.index:
                entry += verdict_words(primary.loc[(task, level)])
            entries.append(entry)
        rows.append([level, *entries])
    scores = [score(references.loc[task, "test"], task) for task in tasks]
    rows.append(["*reference*", *scores])
    return markdown(["", *(f"`{task}`" for task in tasks)], rows)


def verdicts_of_default() -> str:
    """How many differences are decided per task, and which risk the verdicts leave open."""
    contrasts = pd.read_csv(DEFAULT / "contrasts.csv", keep_default_na=False)
    primary = contrasts[contrasts["family"] == "primary"]
    decided = primary[~primary["verdict"].isin(["undecided", "too few seeds"])]
    clauses = []
    for task, rows in primary.groupby("task", sort=False):
        count = int((decided["task"] == task).sum())
        clauses.append(f"{count} of {len(rows)} in `{task}`")
    n = " to ".join(str(n) for n in sorted({primary["n"].min(), primary["n"].max()}))
    lines = f"Decided comparisons with relu (n = {n} seeds): {', '.join(clauses)}.\n"
    conditional = decided[decided["condition"] != ""]
    if len(conditional):
        risk = conditional["risk"].astype(float).max()
        lines += "† better when it trains, worse when relu trains, equivalent when both train: "
        lines += f"a risk of\ncollapse of up to {risk:.0%} is not excluded.\n"
    return lines


def models_of_default() -> str:
    """The model, data and training of each task of the default study, from its plan."""
    tasks = json.loads((DEFAULT / "plan.json").read_text())["tasks"]
    items = [f"- `{name}`: {model_of(task)}\n" for name, task in tasks.items()]
    return "".join(items)


def model_of(task: dict[str, Any]) -> str:
    """A task's model, data and training in words; task: of a plan."""
    recipe = task["recipe"]
    sizes = ", ".join(f"{key} {recipe[key]}" for key in SIZES if key in recipe)
    unit = "epoch" if "epochs" in recipe else "step"
    length = recipe[f"{unit}s"]
    plural = "" if length == 1 else "s"
    return f"{task['title']}; {sizes}; {length} {unit}{plural} in batches of {recipe['batch_size']}"


def probes_of_default() -> str:
    """What probes took of the training seconds in the default study, by task."""
    runs = pd.read_csv(DEFAULT / "runs.csv")
    seconds = runs.groupby("task", sort=False)[["train_seconds", "probe_seconds"]].sum()
    shares = seconds["probe_seconds"] / seconds["train_seconds"]
    head = [f"`{task}`" for task in shares.index]
    return markdown(head, [[f"{share:.1%}" for share in shares]])


def runs_with_findings(folder: Path) -> pd.DataFrame:
    """A study's runs; `found`: whether rules gave a warning or an error, `any` note included."""
    runs = pd.read_csv(folder / "runs.csv")
    findings = pd.read_csv(folder / "findings.csv")
    loud = findings[findings["severity"].isin(["warning", "error"])]
    runs["found"] = runs["run_id"].isin(loud["run_id"])
    runs["any"] = runs["run_id"].isin(findings["run_id"])
    return runs


def findings_of_default() -> str:
    """How many runs of the default study have a finding."""
    runs = runs_with_findings(DEFAULT)
    return f"Of {len(runs)} runs of the default study {runs['any'].sum()} have a finding.\n"


def findings_of_depth() -> str:
    """How many runs of config/depth.yaml at chance, and above it, have a warning or an error."""
    runs = runs_with_findings(DEPTH)
    at_chance = runs["reported_accuracy"] < AT_CHANCE
    rows = []
    for name, part in (("at chance", runs[at_chance]), ("above chance", runs[~at_chance])):
        rows.append([name, str(len(part)), str(part["found"].sum())])
    return markdown(["test accuracy", "runs", "with a warning or an error"], rows)


def full_scale() -> str:
    """Means and sds of the study at full scale, on three seeds."""
    tables = DOCS / "example/tables"
    references = pd.read_csv(tables / "references.csv").set_index("task")
    cells = {task: reported(tables / "cells.csv", task).loc[""] for task in ("vision", "cls", "lm")}
    digits = {"vision": 3, "cls": 3, "lm": 1}
    rows = []
    for level in cells["lm"].index:
        pairs = [(cells[task].loc[level], digits[task]) for task in cells]
        entries = [f"{fixed(cell['mean'], d)} ({fixed(cell['sd'], d)})" for cell, d in pairs]
        rows.append([level, *entries])
    scores = [fixed(references.loc[task, "test"], digits[task], ",") for task in cells]
    rows.append(["*reference*", *scores])
    return markdown(["", "vision, top-1", "cls, accuracy", "lm, word perplexity"], rows)


def full_scale_differences() -> str:
    """Differences from relu at full scale with single 95% intervals, no verdicts."""
    pairs = pd.read_csv(DOCS / "example/tables/pairs.csv").set_index(["task", "level"])
    units = {"vision": (100, 1), "cls": (100, 1), "lm": (1, 3)}  # factor and digits
    rows = []
    for level in pairs.loc["lm"].index:
        entries = []
        for task, (factor, digits) in units.items():
            row = pairs.loc[(task, level)]
            mean, low, high = (
                fixed(factor * row[end], digits, "+") for end in ("mean", "low", "high")
            )
            entries.append(f"{mean} ({low} to {high})")
        rows.append([level, *entries])
    return markdown(["", "vision, points", "cls, points", "lm, nats per word"], rows)


def adaptive() -> str:
    """Accuracies and differences from relu, in points, at both rates of the study with verdicts."""
    tables = DOCS / "example/verdicts/tables"
    contrasts = pd.read_csv(tables / "contrasts.csv", keep_default_na=False)
    primary = contrasts[contrasts["family"] == "primary"].set_index(["group", "level"])
    means = 100 * reported(tables / "cells.csv", "mlp")["mean"]
    rows = []
    for level in means.loc["lr=fixed"].index:
        entries = []
        for group in ("lr=fixed", "lr=tuned"):
            entry = f"{rounded(means[group, level], 1):.1f}"
            if (group, level) in primary.index:
                row = primary.loc[(group, level)]
                entry += f" ({rounded(100 * row['mean'], 1):+.1f}){verdict_words(row)}"
            entries.append(entry)
        entries.append(f"{rounded(means['lr=tuned', level] - means['lr=fixed', level], 1):+.1f}")
        rows.append([level, *entries])
    return markdown(["test accuracy in percent", "fixed rate", "tuned rate", "gain"], rows)


def depth_study() -> str:
    """Mean test accuracy by initialisation, activation and depth."""
    cells = reported(DOCS / "example/depth/tables/cells.csv", "mlp")["mean"]
    head = [""]
    for level, depths in DEPTHS.items():
        head += [f"{level}, {depth}" for depth in depths]
    rows = []
    for init in dict.fromkeys(group.split(", depth=")[0] for group, _ in cells.index):
        entries = []
        for level, depths in DEPTHS.items():
            entries += [
                f"{rounded(cells[f'{init}, depth={depth}', level], 3):.3f}" for depth in depths
            ]
        rows.append([init.removeprefix("init="), *entries])
    return markdown(head, rows)
