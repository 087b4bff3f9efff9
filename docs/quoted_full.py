"""Tables of the full study's recipes: benchmarks/results/recipes.parquet, config/full.yaml."""

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from measured import markdown
from quoted import score
from quoted_recipes import ROOT, place, stored, tried, words

from actstudy.analysis.questions import anytime
from actstudy.analysis.scale import rounded
from actstudy.contract import registry
from actstudy.contract.spec import RunSpec
from actstudy.judging.results import load
from actstudy.judging.studies import beside, transfer
from actstudy.study import planning
from actstudy.study.looks import FIXED, LOOKS
from actstudy.study.planning import Study

STUDIES = {"lm_full": "lm", "lm_more": "lm", "cls_full": "cls", "vision_full": "vision"}
CHOSEN_IN = {"vision": "vision_full", "cls": "cls_full", "lm": "lm_more"}
N_ROWS = 10  # recipes of a search
ACTIVATIONS = ("relu", "gelu")  # of the searches; vision has the first alone
LENGTH = ("epochs", "batch_size", "depth", "width", "vocabulary", "context")  # of a run's time
GOALS = {"vision": 0.6, "lm": 105.0}  # of cls the reference itself
PUBLISHED = {  # where they are from stands in docs/example/README.md
    "vision": "63.50: PreActResNet-18 with Puzzle Mix",
    "cls": "90.51: character-level CNN, 120,000 rows of train",
    "lm": "110.4: LSTM, tied, six epochs; 65.8: AWD-LSTM",
}
FAMILIES = {"`cls`, `lm`": 18, "`vision`": 14}  # contrasts with relu at both rates
ERROR = 0.05  # of a task's family
SMALL = "docs/example/default/explorer"  # the default study's tables, with runs
LARGE = "docs/example"


def value_of(value: float, task: str) -> str:
    """A metric's value, a perplexity with one digit."""
    return f"{rounded(value, 1):,.1f}" if task == "lm" else score(value, task)


def full_study() -> Study:
    """The study of config/full.yaml."""
    return planning.load(ROOT / "config/full.yaml")


def by_activation(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per recipe, the best first: val of the first seed by activation, and its mean.

    Ranked by the mean over the activations that all recipes have, so that each is compared by
    what the others have too. `mean` is that over all activations, missing if one was not run;
    `reference`: of the recipe's own data, of text with its vocabulary; `relu, second seed`: val of
    the second seed, if an activation has it; `seconds`: of a run.
    """
    first = frame["seed"] == frame["seed"].min()
    table = frame[first].pivot_table(index="recipe", columns="activation", values="val")
    table = table[[name for name in ACTIVATIONS if name in table]]
    shared = table.columns[table.notna().all()]
    ranked_by = table[shared].mean(axis=1)
    if len(table.columns) > 1:
        table.insert(0, "mean", table.mean(axis=1, skipna=False))
    second = frame[~first].pivot_table(index="recipe", columns="activation", values="val")
    for name in second.columns:
        table[f"{name}, second seed"] = second[name]
    table["reference"] = frame.groupby("recipe")["reference"].first()
    table["seconds"] = frame.groupby("recipe")["train_seconds"].mean()
    higher = registry.task(frame["task"].iloc[0])["higher_is_better"]
    return table.loc[ranked_by.sort_values(ascending=not higher).index]


def entry_of(row: pd.Series, name: str, task: str) -> str:
    """A value of a recipe's row; `not run` for an activation that lacks."""
    if pd.notna(row[name]):
        return value_of(row[name], task)
    return "not run" if name in ACTIVATIONS else ""


def searched() -> str:
    """What was tried: recipes, activations, runs and hours, by study."""
    return tried(STUDIES)


def trails() -> str:
    """The best recipes of each search of the full study, a table each."""
    parts = []
    for study, task in STUDIES.items():
        table = by_activation(stored(study))
        hidden = ["seconds"] if task == "cls" else ["reference", "seconds"]
        values = table.columns.drop(hidden)
        rows = []
        for recipe, row in table.head(N_ROWS).iterrows():
            entries = [entry_of(row, name, task) for name in values]
            rows.append([words(str(recipe)), *entries, f"{rounded(row['seconds'], 0):.0f}"])
        parts.append(markdown([f"`{study}`", *values, "seconds"], rows))
    return "\n".join(parts)


def specs_of(study: Study) -> dict[str, RunSpec]:
    """Of each task a run at the fixed rate."""
    return {run.task: run.spec for run in study.possible if run.places.get("lr", FIXED) == FIXED}


def levels() -> str:
    """Of each task the recipe of config/full.yaml on val, with reference, goal, publications."""
    rows = []
    for task, spec in specs_of(full_study()).items():
        frame = stored(CHOSEN_IN[task])
        table = by_activation(frame)
        recipes = {str(recipe): json.loads(str(recipe)) for recipe in table.index}
        fields = recipes[str(table.index[0])]
        recipe = place(recipes, {field: getattr(spec, field) for field in fields})
        row = table.loc[recipe]
        reference = frame.loc[frame["recipe"] == recipe, "reference"].iloc[0]
        goal = GOALS.get(task, reference)
        values = [row[name] for name in ACTIVATIONS if name in row]
        sign = 1 if registry.task(task)["higher_is_better"] else -1
        is_reached = sign * sum(values) / len(values) > sign * goal
        entries = [value_of(value, task) for value in values]
        entries += ["not run"] * (len(ACTIVATIONS) - len(values))
        rank = f"{table.index.get_loc(recipe) + 1} of {len(table)}"
        names = " and ".join(name for name in ACTIVATIONS if name in row)
        met = f"reached on val, one seed of {names}" if is_reached else "**not reached**"
        level = f"{value_of(goal, task)}: {met}"
        rows.append([f"`{task}`", words(recipe), *entries, rank, value_of(reference, task), level])
        rows[-1].append(PUBLISHED[task])
    head = ["", "chosen", *ACTIVATIONS, "rank", "reference", "goal, here on val"]
    return markdown([*head, "published, on test"], rows)


def seconds_of(task: str, spec: RunSpec) -> list[float]:
    """Least and mean training time of runs of the searches that have a spec's sizes and length.

    Runs shared a GPU, so they took different times; the quickest one is the nearest to having it
    alone.
    """
    times = []
    for study in [name for name, of_task in STUDIES.items() if of_task == task]:
        base = vars(planning.load(ROOT / f"config/recipes/{study}.yaml").possible[0].spec)
        for row in stored(study).to_dict("records"):
            settings = {**base, **json.loads(row["recipe"])}
            if all(settings[field] == getattr(spec, field) for field in LENGTH):
                times.append(row["train_seconds"])
    return [min(times), math.fsum(times) / len(times)]


def hours() -> str:
    """Runs of config/full.yaml and their hours of training, by task; `tuned` is the most.

    Hours are from the quickest run to the mean one.
    """
    study = full_study()
    rows = []
    totals = np.zeros((4, 2))
    for task, spec in specs_of(study).items():
        seconds = seconds_of(task, spec)
        n_fixed = sum(run.task == task and run.places["lr"] == FIXED for run in study.possible)
        counts = [n_fixed, sum(run.task == task for run in study.tuning), n_fixed]
        own = np.outer([*counts, sum(counts)], seconds) / 3600
        totals += own
        entries = [f"{n} runs, {span(part)} h" for n, part in zip(counts, own, strict=False)]
        rows.append([f"`{task}`", span(seconds, 0), *entries, f"{span(own[-1])} h"])
    rows.append(["all", "", *[f"{span(total)} h" for total in totals]])
    head = ["", "seconds a run, quickest to mean", "fixed rate", "trials"]
    return markdown([*head, "tuned rate, at most these runs", "hours, quickest to mean"], rows)


def span(ends: Sequence[float], digits: int = 1) -> str:
    """Two ends such as `2.4 to 4.7`, or one number if they are written alike."""
    texts = dict.fromkeys(f"{rounded(end, digits):.{digits}f}" for end in ends)
    return " to ".join(texts)


def sees() -> str:
    """The least mean differences, in sd of the differences seen, that a number of seeds decides.

    Of the first contrast of a family, which needs the most capital, and of the last.
    """
    rows = []
    for task, family in FAMILIES.items():
        for which, of in (("first", family), ("last", 1)):
            evidence = math.log(2 * of / ERROR)
            least = [anytime.half_width(n, 1.0, evidence) for n in LOOKS]
            rows.append([task, f"{which} of {family}", *[f"{rounded(x, 2):.2f}" for x in least]])
    return markdown(["", "decided as", *[f"{n} seeds" for n in LOOKS]], rows)


def transfer_rows() -> Iterator[list[str]]:
    """A row per task: what the default study says of the kept full one."""
    studies = [beside.Study(name, load(ROOT / name)) for name in (SMALL, LARGE)]
    table, _ = transfer.transfers(studies)
    for row in table.to_dict("records"):
        ends = ("tau", "tau_low", "tau_high")
        value, low, high = (f"{rounded(row[name], 2):.2f}" for name in ends)
        tau = f"{value} ({low} to {high})"
        yield [f"`{row['task']}`", row["levels"], f"{row['n_small']}, {row['n_large']}", tau] + [
            f"{rounded(row['p'], 3):.3f}",
            row["best_small"],
            row["best_large"],
            f"{row['n_decided']} of {row['n_compared']}",
        ]


def transfers() -> str:
    """Whether the default study orders the activations as the kept full study does."""
    head = ["", "activations", "seeds, small and large", "tau (95% interval)", "p, by chance"]
    head += ["best in small", "best in large", "decided in both"]
    return markdown(head, transfer_rows())
