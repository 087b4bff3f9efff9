"""The tables that figures of studies side by side draw, a row per mark."""

from collections.abc import Sequence

import pandas as pd

from actstudy.analysis import tables
from actstudy.analysis.explorer import averages
from actstudy.analysis.tables import Tables
from actstudy.contract.errors import StudyError
from actstudy.contract.schema import CELL
from actstudy.judging.studies import paired
from actstudy.judging.studies.beside import Study
from actstudy.judging.studies.page import Comparison

LEVEL = 0.95  # of the intervals
FAMILY = "side by side"
WORDS = {paired.SAME: "same verdict", paired.OTHER: "other verdict"}
PAIRS = [*CELL, "other", "baseline", "family", "n", "mean", "low", "high", "interval_level"]
PAIRS += ["verdict", "condition"]
SEEDS = [*CELL, "other", "baseline", "family", "seed", "difference"]
SIDES = ["study", *CELL, "n", "mean", "sd", "low", "high"]


def pairs(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """The cells of which seeds pair, as rows of a forest plot; columns PAIRS.

    baseline: the first study; verdict: whether both studies have the same one; condition: which.
    """
    parts = []
    for comparison in comparisons:
        own = comparison.cells[comparison.cells["n_pairs"] > 0]
        words = own["verdict"].map(WORDS)
        both = own["verdict_first"] + ", then " + own["verdict_other"]
        both = both.where(own["verdict_first"] != own["verdict_other"], own["verdict_first"])
        is_baseline = (own[["verdict_first", "verdict_other"]] == paired.BASELINE).all(axis=1)
        without = is_baseline.map({True: paired.BASELINE, False: "no verdict in both"})
        parts.append(
            own.assign(
                other=comparison.other.name,
                baseline=comparison.first.name,
                family=FAMILY,
                n=own["n_pairs"],
                mean=own["difference"],
                interval_level=LEVEL,
                verdict=words.where(words.notna(), without),
                condition=both.where(words.notna(), ""),
            )[PAIRS]
        )
    return pd.concat(parts)


def seeds(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """The difference of each seed of `pairs`; columns SEEDS."""
    parts = []
    for first, other, cells, *_ in comparisons:
        for task in cells["task"].unique():
            own = paired.of_seeds(first, other, task)
            named = {"task": task, "other": other.name, "baseline": first.name, "family": FAMILY}
            parts.append(own.assign(**named)[SEEDS])
    return pd.concat(parts)


def sides(studies: Sequence[Study]) -> pd.DataFrame:
    """Mean, sd and n of each study's cells; low, high: one sd apart. Columns SIDES."""
    parts = []
    for study in studies:
        own = study.cells
        sd = own["sd"].where(own["n"] > 1)
        ends = {"low": own["mean"] - sd, "high": own["mean"] + sd}
        parts.append(own.assign(study=study.name, sd=sd, **ends)[SIDES])
    return pd.concat(parts)


def mean_curves(study: Study) -> pd.DataFrame:
    """The mean learning curves of a study, empty without its tables of curves and runs."""
    place = study.results.place
    try:
        built = tables.read(place)
    except (StudyError, OSError):
        return pd.DataFrame()
    return averages.mean_curves(Tables(study.plan, built.frames))
