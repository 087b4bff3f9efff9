"""Tables of docs/statistics.md and docs/agents.md on looks at any n and on the gate."""

import pandas as pd
from measured import BENCHMARKS, markdown
from simulated import simulated

FAMILIES = {  # a noise of benchmarks/anytime_errors.py -> its words
    "normal": "normal",
    "exponential": "exponential",
    "collapsed": "one run in ten 10 sd lower",
    "unequal": "sd of the levels from 1/4 to 4",
    "heavy": "Student's t with 2 degrees of freedom",
    "rounded": "normal, in steps of 1 sd",
    "skewed_slopes": "*a skewed effect of the seed, to which levels respond by 1/2 to 2*",
    "unequal_exponential": "*exponential, sd of the levels from 1/4 to 4*",
    "quiet_exponential": "*levels exponential, the baseline without noise*",
    "collapsed_levels": "*levels that fall in one run of ten, the baseline never; equal means*",
}
NULL_SESSIONS = {  # a name of benchmarks/gate_errors.py -> its words
    "normal": "normal",
    "exponential": "exponential",
    "collapsed": "one run in ten 10 sd lower",
    "heavy": "Student's t with 2 degrees of freedom",
    "rounded": "normal, in steps of 1 sd",
    "normal, screened": "normal; shown to the gate only if the first run was better",
}
ATTEMPTS = (1, 10, 30, 100, 300)


def anytime() -> pd.DataFrame:
    """The table of benchmarks/anytime_errors.py."""
    return pd.read_parquet(BENCHMARKS / "anytime_errors.parquet")


def anytime_errors() -> str:
    """False verdicts at any n up to 200, and coverage of the intervals of all n."""
    frame = anytime().set_index(["measure", "family", "noise"])["value"]
    rows = []
    for family, words in FAMILIES.items():
        entries = []
        for measure in ("false better or worse", "false equivalent", "intervals of all n cover"):
            normal, symmetric = (frame[measure, family, noise] for noise in ("normal", "symmetric"))
            entries.append(f"{normal:.3f} ({symmetric:.3f})")
        rows.append([words, *entries])
    head = "noise|better or worse, falsely|equivalent, falsely|intervals of all n cover"
    return markdown(head.split("|"), rows)


def anytime_seeds() -> str:
    """Seeds until four contrasts are decided and the share found within 20, and of looks."""
    frame = anytime()
    own = frame[frame["n_different"].notna()]
    own = own.set_index(["measure", "n_different", "noise", "n", "effect"])["value"]
    keys = ["levels_that_differ", "looks", "effect"]
    looks = {name: simulated(name, keys) for name in ("seeds until all are decided", "found")}
    rows = []
    for effect in (1.0, 1.5, 2.0):
        entries = []
        for count in (4, 2):
            seeds = looks["seeds until all are decided"][count, True, effect]
            share = looks["found"][count, True, effect]
            entries.append(f"{seeds:.1f}, {share:.3f}")
            for noise in ("normal", "symmetric"):
                seeds = own["seeds until all are decided", count, noise, 20, effect]
                share = own["found", count, noise, 20, effect]
                longer = own["seeds until all are decided", count, noise, 60, effect]
                entries.append(f"{seeds:.1f}, {share:.3f} ({longer:.1f})")
        rows.append([f"{effect:g} sd", *entries])
    head = "difference|four differ: looks|any n, normal|any n, symmetric"
    head += "|two differ, margin 1 sd: looks|any n, normal|any n, symmetric"
    return markdown(head.split("|"), rows)


def anytime_collapses() -> str:
    """False verdicts at any n up to 40 if runs collapse, and verdicts that more seeds withdrew."""
    frame = pd.read_parquet(BENCHMARKS / "anytime_collapses.parquet")
    rows = []
    for (effect, floor, rate), own in frame.groupby(["effect", "floor", "rate"], sort=False):
        values = own.set_index("measure")["value"]
        entries = [f"{effect:g} sd", f"{floor:g} sd", f"{rate:.0%}"]
        for measure in ("wrong of typical runs", "wrong without condition", "withdrawn"):
            entries.append(f"{values[measure]:.3f}")
        entries.append(f"{own['decided'].iloc[0]:.0f}")
        rows.append(entries)
    head = "difference|chance, below|runs of levels that collapse|false of typical runs"
    head += "|false without condition|withdrawn|decided contrasts"
    return markdown(head.split("|"), rows)


def gate_values(case: str) -> pd.Series:
    """The values of one case of benchmarks/gate_errors.py by name, measure and attempt."""
    frame = pd.read_parquet(BENCHMARKS / "gate_errors.parquet")
    return frame[frame["case"] == case].set_index(["name", "measure", "attempt"])["value"]


def gate_null() -> str:
    """Sessions of 100 proposals that change nothing: those that keep anything, seeds they take."""
    values = gate_values("null sessions")
    rows = []
    for name, words in NULL_SESSIONS.items():
        keeps = values[name, "sessions that keep anything", 0]
        seeds = values[name, "seeds per proposal", 0]
        rows.append([words, f"{keeps:.1%}", f"{seeds:.1f}"])
    return markdown(["noise", "sessions that keep anything", "seeds per proposal"], rows)


def gate_naive() -> str:
    """The same of loops without a gate."""
    values = gate_values("naive")
    rows = []
    for name in ("better in one run", "bootstrap of 3 against 3"):
        sessions = values[name, "sessions that keep anything", 0]
        keeps = values[name, "kept per session", 0]
        rows.append([name, f"{sessions:.1%}", f"{keeps:.1f}"])
    first = values["bootstrap of 3 against 3", "first proposal kept", 0]
    gain = values["better in one run", "gain believed", 0]
    text = markdown(["kept if", "sessions that keep anything", "kept of 100"], rows)
    text += (
        f"\nThe bootstrap keeps {first:.1%} of first proposals, and its interval says 5%. Kept by\n"
    )
    return f"{text}one run, the last is believed to be {gain:.1f} sd better than the first.\n"


def gate_power() -> str:
    """Power, seeds and gains by effect and number of the attempt."""
    values = gate_values("power")
    rows = []
    for name in ("0.71 sd", "1 sd", "1.5 sd"):
        for attempt in ATTEMPTS:
            seeds = values[name, "seeds asked for", attempt]
            used = values[name, "seeds used", attempt]
            keeps = values[name, "kept", attempt]
            gains = [
                values[name, measure, attempt]
                for measure in ("gain when kept", "gain on 8 fresh seeds")
            ]
            entries = [f"{attempt}", f"{seeds:.0f}", f"{used:.1f}", f"{keeps:.3f}"]
            rows.append([name, *entries, *(f"{gain:.2f} sd" for gain in gains)])
    head = "gain|attempt|seeds asked for|seeds used, mean|kept|gain when kept|on 8 fresh seeds"
    return markdown(head.split("|"), rows)


def gate_rules() -> str:
    """Other ways to spend the 5%: sessions that keep anything, and power with 40 seeds."""
    values = gate_values("rules")
    names = values.index.get_level_values("name").unique()
    rows = []
    for name in names:
        entries = []
        for label in ("a baseline each", "one baseline"):
            entries.append(f"{values[name, f'sessions that keep anything, {label}', 0]:.1%}")
        for attempt in ATTEMPTS:
            entry = f"{values[name, 'power at 1 sd', attempt]:.2f}"
            if (name, "seeds", attempt) in values.index:
                entry += f" (n = {values[name, 'seeds', attempt]:.0f})"
            entries.append(entry)
        rows.append([name, *entries])
    head = ["rule", "errs, a baseline each", "one baseline"]
    return markdown([*head, *(f"power, attempt {attempt}" for attempt in ATTEMPTS)], rows)
