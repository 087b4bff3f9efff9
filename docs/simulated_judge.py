"""Tables of docs/statistics.md on anyone's runs, from benchmarks/results/judge_errors.parquet."""

import pandas as pd
from measured import BENCHMARKS, markdown

NOISES = {  # a noise of benchmarks/judge_errors.py -> its words
    "normal": "normal",
    "exponential": "exponential",
    "collapsed": "collapsed",
    "unequal": "unequal",
    "unequal_exponential": "exponential, sd of the levels from 1/4 to 4",
    "collapsed_levels": "levels that fall in one run of ten, the baseline never; equal means",
}
PAIRED = ("8", "20", "20, a fifth missing")
SIZES = ("5", "8", "20", "20 against 5 to 20", "5 against 20")
MARGIN_SIZES = ("8", "20", "20 against 8 to 20", "8 against 20")
BEST = ("paired", "independent", "paired, tasks", "independent, tasks")
PATTERNS = {"equal": "all equal", "spread": "0.5 sd apart", "two": "two best, others 2 sd below"}
KINDS = ("paired", "independent", "permutations alone", "summaries")


def values_of(**case: object) -> pd.Series:
    """The values of the rows whose columns have these values, indexed by their other keys."""
    frame = pd.read_parquet(BENCHMARKS / "judge_errors.parquet")
    for name, value in case.items():
        frame = frame[frame[name] == value]
    return frame.set_index(["runs", "noise", "n"])["value"]


def paired_errors() -> str:
    """Studies with a false difference, runs paired by seed."""
    values = values_of(case="no difference")
    rows = []
    for noise, words in NOISES.items():
        rows.append([words, *(f"{values['paired', noise, n]:.3f}" for n in PAIRED)])
    return markdown(["noise", "8 seeds", "20 seeds", "20 seeds, a fifth of the runs missing"], rows)


def independent_errors() -> str:
    """The same of independent runs; in brackets of their means, sd and n alone."""
    values = values_of(case="no difference")
    rest = values_of(case="2 levels differ")
    rows = []
    for noise, words in NOISES.items():
        entries = []
        for n in SIZES:
            runs, means = (values[kind, noise, n] for kind in ("independent", "summaries"))
            entries.append(f"{runs:.3f} ({means:.3f})")
        runs, means = (rest[kind, noise, "8"] for kind in ("independent", "summaries"))
        rows.append([words, *entries, f"{runs:.3f} ({means:.3f})"])
    head = ["noise", "5 runs", "8 runs", "20 runs", "20 against 5, 8, 12 and 20"]
    return markdown([*head, "5 against 20", "8 runs, two of four do differ"], rows)


def false_equivalences() -> str:
    """Studies with a false equivalence, independent runs; in brackets how often intervals cover."""
    wrong = values_of(measure="false equivalent")
    covered = values_of(measure="interval covers")
    rows = []
    for noise, words in NOISES.items():
        keys = [("independent", noise, n) for n in MARGIN_SIZES]
        rows.append([words, *(f"{wrong[key]:.3f} ({covered[key]:.3f})" for key in keys)])
    head = ["noise", "8 runs", "20 runs", "20 against 8, 12, 16 and 20", "8 against 20"]
    return markdown(head, rows)


def best_and_ranks() -> str:
    """How often the set holds the best of five; in brackets how often all rank intervals hold."""
    rows = []
    cases = [("equal", "5"), ("equal", "8"), ("equal", "20"), ("spread", "8"), ("two", "8")]
    for noise, words in NOISES.items():
        for pattern, n in cases:
            case = {"case": "best and ranks", "pattern": pattern}
            holds = values_of(**case, measure="best in the set")
            ranks = values_of(**case, measure="all ranks hold")
            keys = [(kind, noise, n) for kind in BEST]
            entries = [f"{holds[key]:.3f} ({ranks[key]:.3f})" for key in keys]
            rows.append([words, PATTERNS[pattern], n, *entries])
    head = ["noise", "means", "runs", "paired", "independent", "paired, over 3 tasks"]
    return markdown([*head, "independent, over 3 tasks"], rows)


def shares_found() -> str:
    """Share of four true differences found, by how runs are taken."""
    rows = []
    for effect in (1.0, 1.5, 2.0):
        values = values_of(case="all levels differ", effect=effect)
        for n in ("5", "8", "20"):
            entries = [f"{values[kind, 'normal', n]:.2f}" for kind in KINDS]
            rows.append([f"{effect:g} sd", n, *entries])
    head = ["difference", "runs", "paired", "independent", "without Welch's own p", "means alone"]
    return markdown(head, rows)


def promised_power() -> str:
    """Power at the promised number of runs, of two independent sides."""
    rows = []
    for n in ("5", "8"):
        for ratio in (0.75, 1.0, 1.5):
            case = {"case": "power", "sd_margin": ratio}
            key = ("independent", "normal", n)
            k = values_of(**case, measure="k, mean where given")[key]
            lost = values_of(**case, measure="not decidable")[key]
            power = values_of(**case, measure="power of n + k fresh runs")[key]
            rows.append([n, f"{ratio:g}", f"{k:.0f}", f"{lost:.0%}", f"{power:.2f}"])
    return markdown(["pilot", "sd of a run / margin", "k", "not decidable", "power"], rows)
