"""Tables of docs/statistics.md with error rates, from tables of benchmarks/results."""

import itertools

import pandas as pd
from measured import BENCHMARKS, markdown

NOISES = {
    "normal": "normal",
    "exponential": "exponential",
    "collapsed": "collapsed",
    "unequal": "unequal",
}
SKEWED = {  # a noise of benchmarks/verdicts.py -> its words
    "quiet_exponential": "levels exponential, the baseline without noise",
    "unequal_exponential": "exponential, sd of the levels from 1/4 to 4",
    "skewed_slopes": "a skewed effect of the seed, to which levels respond by 1/2 to 2",
    "collapsed_levels": "levels that fall in one run of ten, the baseline never; equal means",
}
CHOICE_PATTERNS = {  # a pattern of benchmarks/choice.py -> its words
    "equal": "all equal",
    "spread": "0.5 sd apart",
    "two": "two best, others 2 sd below",
}
CHOICE_SEEDS = (3, 5, 8, 20)
CHOICE_QUESTIONS = {  # a kind of cells of benchmarks/choice.py -> its words
    "left out": "real runs of the study verdicts, 8 of 20 seeds",
    "real noise": "the same, seeds drawn with replacement",
    "real means": "means and sd of all kept cells, normal noise",
}
COMPONENT_SEEDS = (3, 5, 8, 20)
SEEDS = ((8, False), (20, False), (20, True))  # with looks or without


def simulated(measure: str, keys: list[str]) -> pd.Series:
    """The values of a measure, indexed by the keys of its cases."""
    frame = pd.read_parquet(BENCHMARKS / "verdicts.parquet")
    return frame[frame["measure"] == measure].set_index(keys)["value"].sort_index()


def false_differences() -> str:
    """Studies with a false "better" or "worse", noise of one kind."""
    return rates_of(NOISES)


def skewed_noise() -> str:
    """Studies with a false "better" or "worse", noise skewed in different ways."""
    return rates_of(SKEWED)


def rates_of(noises: dict[str, str]) -> str:
    """Shares of studies with a false "better" or "worse", a row per noise."""
    rates = simulated("false better or worse", ["noise", "K", "n", "looks"])
    rows = []
    for noise, words in noises.items():
        cases = itertools.product((4, 9), SEEDS)
        entries = [f"{rates[noise, K, n, looks]:.3f}" for K, (n, looks) in cases]
        rows.append([words, *entries])
    head = "noise|K = 4: 8 seeds|20 seeds|looks|K = 9: 8 seeds|20 seeds|looks"
    return markdown(head.split("|"), rows)


def false_equivalences() -> str:
    """False "equivalent" of four contrasts at the margin, and coverage, at 20 seeds."""
    wrong = simulated("false equivalent", ["noise", "looks", "side"])
    covered = simulated("intervals of all looks cover", ["noise", "looks"])
    rows = []
    for noise in NOISES:
        values = [wrong[noise, False, 1], wrong[noise, True, 1]]
        values += [covered[noise, False], covered[noise, True]]
        rows.append([noise, *(f"{value:.3f}" for value in values)])
    head = (
        "noise|equivalent, at once (+- 0.005)|looks (+- 0.003)|95% interval covers (+- 0.003)|"
        "intervals of all looks cover (+- 0.003)"
    )
    return markdown(head.split("|"), rows)


def realised_power() -> str:
    """Power at the promised number of seeds; in brackets with looks."""
    measures = {
        "k, mean where given": ".0f",
        "not decidable": ".0%",
        "power of n + k fresh seeds": ".2f",
        "power of an undecided pilot and k more": ".2f",
    }
    rows = []
    for n in (8, 12):
        for ratio in (1.0, 1.5, 2.0):
            entries = []
            for measure, form in measures.items():
                values = simulated(measure, ["K", "n", "sd_margin", "looks"])
                at_once, looks = (values[4, n, ratio, flag] for flag in (False, True))
                entries.append(f"{at_once:{form}} ({looks:{form}})")
            rows.append([str(n), f"{ratio:g}", *entries])
    head = "pilot|sd / margin|k (looks)|not decidable (looks)|fresh (looks)|kept (looks)"
    return markdown(head.split("|"), rows)


def savings() -> str:
    """Seeds until all is decided and the share found: looks against 20 seeds at once."""
    keys = ["effect", "levels_that_differ", "looks"]
    seeds = simulated("seeds until all are decided", keys)
    shares = simulated("found", keys)
    rows = []
    for effect in (1.0, 1.5, 2.0):
        entries = []
        for count in (4, 2):
            at_once, looks = (shares[effect, count, flag] for flag in (False, True))
            entries += [f"{seeds[effect, count, True]:.1f}", f"{looks:.3f} ({at_once:.3f})"]
        rows.append([f"{effect:g} sd", *entries])
    head = (
        "difference|all four differ: seeds|found (20 at once)|two differ, margin 1 sd: seeds|"
        "found (20 at once)"
    )
    return markdown(head.split("|"), rows)


def of_components(**case: object) -> pd.DataFrame:
    """Rows of benchmarks/results/components.parquet whose columns have these values."""
    frame = pd.read_parquet(BENCHMARKS / "components.parquet")
    for name, value in case.items():
        frame = frame[frame[name] == value]
    return frame


def component_coverage() -> str:
    """Coverage of the standard deviations of sources, a row per source and noise."""
    rows = []
    for noise in ("normal", "exponential", "unequal"):
        cases = of_components(noise=noise, n_frameworks=3, is_absent=False)
        covers = cases[cases["measure"].str.startswith("covers: ")]
        for measure, own in covers.groupby("measure", sort=False):
            by_seeds = own.set_index("n")["value"]
            entries = [f"{by_seeds[n]:.3f}" for n in COMPONENT_SEEDS]
            rows.append([measure.removeprefix("covers: "), noise, *entries])
    head = ["source", "residual", *(f"{n} seeds" for n in COMPONENT_SEEDS)]
    return markdown(head, rows)


def component_errors() -> str:
    """How often a framework without effect, or the larger of two equal sources, is named."""
    absent = of_components(n_frameworks=2, is_absent=True, measure="excludes 0: framework")
    larger = of_components(measure="larger")
    rows = []
    for words, cases in (("no effect, excludes 0", absent), ("equal, called larger", larger)):
        by_seeds = cases.set_index("n")["value"]
        rows.append([words, *(f"{by_seeds[n]:.3f}" for n in COMPONENT_SEEDS)])
    head = ["studies", *(f"{n} seeds" for n in COMPONENT_SEEDS)]
    return markdown(head, rows)


def size_coverage() -> str:
    """Coverage of typical sizes; in brackets that of a bootstrap over seeds."""
    rows = []
    for mean in (0.0, 1.0, 3.0):
        own = of_components(mean=mean, measure="covers: size").set_index("n")["value"]
        beside = of_components(mean=mean, measure="covers: size, bootstrap").set_index("n")["value"]
        entries = [f"{own[n]:.3f} ({beside[n]:.3f})" for n in COMPONENT_SEEDS]
        rows.append([f"{mean:g}", *entries])
    head = ["m", *(f"{n} seeds" for n in COMPONENT_SEEDS)]
    return markdown(head, rows)


def choice_sets() -> str:
    """How often the set of `choose` holds the best of five activations; in brackets its size."""
    frame = pd.read_parquet(BENCHMARKS / "choice.parquet")
    cases = frame[(frame["K"] == 5) & (frame["margin"] == 0.5)]
    rows = []
    for (pattern, noise), own in cases.groupby(["pattern", "noise"], sort=False):
        by_seeds = own.set_index("n")
        entries = []
        for n in CHOICE_SEEDS:
            entries.append(f"{by_seeds.loc[n, 'holds']:.3f} ({by_seeds.loc[n, 'size']:.1f})")
        rows.append([CHOICE_PATTERNS[str(pattern)], str(noise), *entries])
    return markdown(["means", "noise", *(f"{n} seeds" for n in CHOICE_SEEDS)], rows)


def choice_questions() -> str:
    """The same of questions made of real cells."""
    frame = pd.read_parquet(BENCHMARKS / "choice.parquet").set_index("cells")
    rows = []
    for kind, words in CHOICE_QUESTIONS.items():
        case = frame.loc[kind]
        sizes = [f"{case['K']:.1f}", f"{case['size']:.1f}"]
        rows.append([words, f"{case['studies']:,.0f}", f"{case['holds']:.3f}", *sizes])
    head = ["cells", "questions", "the set holds the best", "activations", "in the set"]
    return markdown(head, rows)
