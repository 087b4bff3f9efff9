"""Tables of docs/statistics.md on recipes, trials and sizes, from tables of benchmarks/results."""

import pandas as pd
from measured import BENCHMARKS, markdown

SEEDS = (8, 12, 20)
COMPONENT_SEEDS = (3, 5, 8, 20)
PATTERNS = {  # a pattern of benchmarks/sensitivity.py -> its words
    "none": "no effect with any recipe",
    "some": "better by 3 sd with half of the recipes, equal with the others",
    "all but one": "better by 3 sd with all but one, equal with that",
}
POWER = {  # a measure, a pattern -> its words
    ("found recipe-dependent", "crossing"): "recipe-dependent: better with half, worse with half",
    ("found recipe-dependent", "one"): "recipe-dependent: better with all but one, worse with that",
    ("found in every recipe", "every"): "in every recipe: equally better with each",
}
CASES = {"same": "the same", "half": "tau of the true means 0.4", "by chance": "by chance"}
BENDS = {0.0: "linear", 1.0: "the last doubling changes nothing", 3.0: "it turns"}


def table_of(name: str) -> pd.DataFrame:
    """A table of benchmarks/results."""
    return pd.read_parquet(BENCHMARKS / f"{name}.parquet")


def number(values: pd.Series, key: object) -> str:
    """A share with three decimals, empty if it was not simulated."""
    return f"{values[key]:.3f}" if key in values.index else ""


def recipe_errors() -> str:
    """False readings, a row per truth and noise."""
    table = table_of("sensitivity")
    rows = []
    for (pattern, noise), own in table[table["pattern"].isin(PATTERNS)].groupby(
        ["pattern", "noise"], sort=False
    ):
        entries = []
        for measure in ("false recipe-dependent", "false in every recipe"):
            values = own[own["measure"] == measure].set_index("n")["value"]
            entries += [number(values, n) for n in SEEDS]
        rows.append([PATTERNS[str(pattern)], str(noise), *entries])
    head = ["truth", "noise", *(f"recipe-dependent: {n} seeds" for n in SEEDS)]
    return markdown([*head, *(f"in every recipe: {n} seeds" for n in SEEDS)], rows)


def recipe_power() -> str:
    """Shares of levels of which the truth is said, a row per truth and effect."""
    table = table_of("sensitivity")
    rows = []
    for (measure, pattern), words in POWER.items():
        own = table[(table["measure"] == measure) & (table["pattern"] == pattern)]
        for effect, part in own.groupby("effect"):
            values = part.set_index("n")["value"]
            rows.append([words, f"{effect:g} sd", *(number(values, n) for n in SEEDS)])
    return markdown(["truth", "effect", *(f"{n} seeds" for n in SEEDS)], rows)


def recipe_components() -> str:
    """Coverage of the standard deviations of a crossed design."""
    table = table_of("sensitivity")
    table = table[table["measure"] == "covers"]
    rows = []
    for (source, noise), own in table.groupby(["pattern", "noise"], sort=False):
        values = own.set_index("n")["value"]
        rows.append([str(source), str(noise), *(number(values, n) for n in COMPONENT_SEEDS)])
    return markdown(["source", "residual", *(f"{n} seeds" for n in COMPONENT_SEEDS)], rows)


def best_of_coverage() -> str:
    """Coverage of the best of k, of the population and of these trials."""
    table = table_of("sensitivity")
    table = table[table["measure"] == "covers the best of k"]
    rows = []
    for (trials, seeds), own in table.groupby(["trials", "n"]):
        sides = {what: part.set_index("k")["value"] for what, part in own.groupby("pattern")}
        entries = []
        for k in sorted(own["k"].unique()):
            of_population = number(sides["population"], k)
            entries.append(f"k = {k:.0f}: {of_population} ({number(sides['these trials'], k)})")
        rows.append([f"{trials:.0f}", f"{seeds:.0f}", *entries])
    return markdown(["trials", "seeds", "one", "half", "all but one", "all"], rows)


def transfer_orders() -> str:
    """How often an order is called predicted; in brackets coverage of tau."""
    table = table_of("transfer")
    table = table[table["question"] == "order"]
    rows = []
    for (case, gap), own in table.groupby(["case", "gap"], sort=False):
        sides = {what: part.set_index("n")["value"] for what, part in own.groupby("measure")}
        entries = []
        for n in (3, 8, 20):
            covers = f" ({number(sides['covers'], n)})" if gap else ""  # else there is no order
            entries.append(f"{number(sides['predicts'], n)}{covers}")
        words = CASES[str(case)] if gap else "none, as in the small one"
        rows.append([words, f"{gap:g} sd", *entries])
    return markdown(["order in the large study", "means apart", "3 seeds", "8", "20"], rows)


def transfer_sizes() -> str:
    """Held-out sizes inside their intervals; in brackets the largest of all."""
    table = table_of("transfer")
    table = table[table["question"] == "sizes"]
    rows = []
    for bend, own in table.groupby("gap"):
        sides = {what: part.set_index("n")["value"] for what, part in own.groupby("measure")}
        entries = []
        for n in (3, 8, 20):
            largest = number(sides["covers the largest"], n)
            entries.append(f"{number(sides['covers'], n)} ({largest})")
        rows.append([BENDS[float(bend)], *entries])
    return markdown(["effect", "3 seeds (the largest of all)", "8", "20"], rows)
