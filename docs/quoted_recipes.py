"""Tables of docs/recipes.md, from benchmarks/results/recipes.parquet and kept tables."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from measured import BENCHMARKS, markdown
from quoted import DEFAULT, METRICS, reported, score

from actstudy.analysis.scale import rounded
from actstudy.contract import registry
from actstudy.study import planning

ROOT = BENCHMARKS.parents[1]
GRIDS = {  # a study of the search -> its task
    "mlp_default": "mlp",
    "mlp_default_more": "mlp",
    "vision_default": "vision",
    "cls_default": "cls",
    "cls_default_text": "cls",
    "cls_default_more": "cls",
    "lm_default": "lm",
    "lm_default_text": "lm",
}
ACTIVATIONS = ("tanh", "relu", "gelu")  # of the search
BEST = 5  # recipes of a grid that are shown
FORMER = {  # the study that a recipe was chosen in -> the recipe before it; of lm the nearest rate
    "mlp_default": {"width": 128, "lr": 0.003, "weight_decay": 0.5, "batch_size": 100},
    "vision_default": {"width": 16, "lr": 0.005, "weight_decay": 0.05, "steps": 150},
    "cls_default": {"width": 32, "lr": 0.003, "weight_decay": 0.05, "steps": 400, "dropout": 0.1},
    "lm_default": {"width": 32, "lr": 0.02, "weight_decay": 0.1, "steps": 600},
}
PLAIN = {"init": "auto", "label_smoothing": 0.0}  # of all former ones
NOT_SHOWN = ("eval_every", "warmup")  # settings that follow from the steps


def stored(study: str) -> pd.DataFrame:
    """The runs of a search, a row each."""
    frame = pd.read_parquet(BENCHMARKS / "recipes.parquet")
    return frame[frame["study"] == study]


def by_recipe(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per recipe, the best first: val by activation at the first seed, which every one has.

    Also `mean` over activations, `again` (that of the second seed, if all activations have it),
    `runs` and `seconds`. A recipe that lacks an activation has no mean and comes last.
    """
    first = frame[frame["seed"] == frame["seed"].min()]
    table = first.pivot_table(index="recipe", columns="activation", values="val")
    n_activations = table.shape[1]
    table["mean"] = table.mean(axis=1, skipna=False)
    others = frame[frame["seed"] > frame["seed"].min()].groupby("recipe")["val"]
    table["again"] = others.mean()[others.size() == n_activations]
    groups = frame.groupby("recipe")
    table["seconds"] = groups["train_seconds"].mean()
    table["runs"] = groups.size()
    higher = registry.task(frame["task"].iloc[0])["higher_is_better"]
    return table.sort_values("mean", ascending=not higher)


def words(recipe: str) -> str:
    """A recipe's settings, such as `lr 0.01, dropout 0.3`."""
    parts = []
    for name, value in json.loads(recipe).items():
        if name in NOT_SHOWN:
            continue
        if isinstance(value, dict):
            parts += [f"{key} {number:g}" for key, number in value.items()]
        else:
            parts.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(parts)


def searched() -> str:
    """What was tried for the default study: recipes, activations, runs and hours, by study."""
    return tried(GRIDS)


def tried(studies: Iterable[str]) -> str:
    """Recipes, activations, runs and hours, a row per study."""
    rows = []
    for study in studies:
        frame = stored(study)
        possible = planning.load(ROOT / f"config/recipes/{study}.yaml").possible
        counts = [frame[name].nunique() for name in ("recipe", "activation")]
        by_seed = frame.groupby("seed").size()
        n_runs = [f"{n:,}" for n in (*by_seed, len(possible))]
        hours = f"{rounded(frame['train_seconds'].sum() / 3600, 1):.1f}"
        rows.append(
            [f"`{study}`", *map(str, counts)]
            + [" + ".join(n_runs[:-1]), n_runs[-1], hours, frame["device"].iloc[0]]
        )
    head = "study|recipes|activations|runs by seed|asked for|hours of training|device"
    return markdown(head.split("|"), rows)


def rows_of(table: pd.DataFrame, task: str, activations: list[str]) -> Iterator[list[str]]:
    """Rows of a trail: settings, mean of val, val by activation, the second seed, seconds."""
    for recipe, row in table.iterrows():
        values = []
        for name in ["mean", *activations, "again"]:
            values.append("" if pd.isna(row[name]) else score(row[name], task))
        yield [words(str(recipe)), *values, f"{rounded(row['seconds'], 1):.1f}"]


def grids() -> str:
    """The best recipes of every study, a table each."""
    parts = []
    for study, task in GRIDS.items():
        frame = stored(study)
        activations = sorted(frame["activation"].unique())
        head = [f"`{study}`", "mean", *activations, "mean, second seed", "seconds"]
        parts.append(markdown(head, rows_of(by_recipe(frame).head(BEST), task, activations)))
    return "\n".join(parts)


def effects() -> str:
    """Of every setting with several values: mean and best of val over all else, by value."""
    rows = []
    for study, task in GRIDS.items():
        table = by_recipe(stored(study))
        settings = pd.DataFrame(map(json.loads, table.index), index=table.index)
        if "init_args" in settings:
            settings["init"] += settings.pop("init_args").map(
                lambda args: f" {args}" if args else ""
            )
        for name in settings.columns.difference(NOT_SHOWN, sort=False):
            groups = table.groupby(settings[name].astype(str), sort=False)["mean"]
            best = groups.max() if task != "lm" else groups.min()
            texts = [f"{value}: {score(best[value], task)}" for value in best.index]
            means = [f"{value}: {score(mean, task)}" for value, mean in groups.mean().items()]
            rows.append([f"`{study}`", name, "; ".join(means), "; ".join(texts)])
    return markdown(["study", "setting", "mean on val", "best on val"], rows)


def choice() -> str:
    """The recipe of the default study beside the best and the former one of its search, on val."""
    study = planning.load(ROOT / "config/config.yaml")
    specs = {run.task: run.spec for run in study.possible}
    rows = []
    for name, former in FORMER.items():
        task = GRIDS[name]
        table = by_recipe(stored(name))
        recipes = {str(recipe): json.loads(str(recipe)) for recipe in table.index}
        fields = recipes[str(table.index[0])]
        now = place(recipes, {field: getattr(specs[task], field) for field in fields})
        before = place(recipes, {**PLAIN, **former})
        for title, recipe in (("former", before), ("chosen", now), ("best", str(table.index[0]))):
            row = table.loc[recipe]
            rank = f"{table.index.get_loc(recipe) + 1} of {len(table)}"
            note = edges(recipes, recipe) if title == "chosen" else ""
            values = [score(row[column], task) for column in ("mean", *ACTIVATIONS)]
            entries = [*values, f"{rounded(row['seconds'], 1):.1f}", rank]
            rows.append([f"`{task}`, {title}", words(recipe) + note, *entries])
    head = ["", "settings", "mean on val", *ACTIVATIONS, "seconds a run", "rank"]
    return markdown(head, rows)


def place(recipes: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """The first recipe of some that has these settings, as far as it has them at all."""
    for recipe, values in recipes.items():
        if all(values[name] == settings[name] for name in values.keys() & settings.keys()):
            return recipe
    raise SystemExit(f"no recipe of the search has {settings}")


def edges(recipes: Mapping[str, Mapping[str, Any]], recipe: str) -> str:
    """Which numbers of a recipe are the least or greatest of three or more that were tried."""
    names = []
    for name, value in recipes[recipe].items():
        tried = {
            values[name] for values in recipes.values() if isinstance(values[name], int | float)
        }
        if len(tried) > 2 and value in (min(tried), max(tried)):
            names.append(name)
    return f"; at the edge of what was tried: {', '.join(names)}" if names else ""


def default_levels() -> str:
    """Of every task of the default study the best activation beside the reference, on test.

    In standard errors over seeds of the activation's mean; the reference is one number.
    """
    references = pd.read_csv(DEFAULT / "references.csv").set_index("task")
    rows = []
    for task in METRICS:
        cells = reported(DEFAULT / "cells.csv", task).loc[""]
        sign = 1 if METRICS[task] == "accuracy" else -1
        best = (sign * cells["mean"]).idxmax()
        mean, sd, n = cells.loc[best, ["mean", "sd", "n"]]
        reference = references.loc[task, "test"]
        errors = sign * (mean - reference) / (sd / n**0.5)
        rows.append(
            [f"`{task}`", best, f"{score(mean, task)} ({score(sd, task)})"]
            + [
                f"{references.loc[task, 'name']}: {score(reference, task)}",
                f"{rounded(errors, 1):+.1f}",
            ]
        )
    head = "task|best activation|test, mean (sd over seeds)|reference|standard errors better"
    return markdown(head.split("|"), rows)
