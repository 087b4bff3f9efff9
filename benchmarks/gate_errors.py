"""What the gate promises (judging/gate/), and naive loops beside it, on simulated sessions.

    python benchmarks/gate_errors.py --sessions 400 --out benchmarks/results

A session is 100 proposals that change nothing, all compared with the same runs of a baseline, each
with as many seeds as the gate asks for. Effects are in sd of a difference of two runs. Every case
has a generator of its own.
"""

import copy
import math
from typing import Any

import gate_loops
import numpy as np
import simulations
from anytime_errors import FAMILIES
from gate_rules import LEVEL, LIMIT, Attempt, gate_seeds, rules, seeds_of_t_test
from simulations import Rows

from actstudy.judging.gate.decision import KEEP, MORE, Rules, decide, level_of

PROPOSALS = 100
ATTEMPTS = (1, 10, 30, 100, 300)  # numbers of attempts at which power is measured
CASES = 2_000  # simulated attempts per power; +- 0.009


def generator(key: str) -> np.random.Generator:
    """The generator of one case."""
    return np.random.default_rng([len(key), *key.encode()])


def row(case: str, name: str, measure: str, values: np.ndarray, attempt: int = 0) -> dict[str, Any]:
    """A row of the result: the mean of one value per session or attempt, its error."""
    x = np.asarray(values, dtype=float)
    error = float(x.std() / math.sqrt(max(x.size, 1)))
    head = {"case": case, "name": name, "attempt": attempt, "measure": measure}
    return {**head, "value": float(x.mean()), "error": error, "number": x.size}


def null_sessions(family: str, screened: bool, sessions: int) -> Rows:
    """Sessions of the gate with proposals that change nothing.

    screened: a proposal is shown to the gate only if its first run is better, that run included.
    """
    rng = generator(f"gate {family} {screened}")
    draw = FAMILIES[family]
    any_kept = []
    used = []
    for _ in range(sessions):
        values = draw(rng, LIMIT, PROPOSALS)
        values[:, 1:] = draw_like_baseline(draw, rng)
        x = values[:, 1:] - values[:, :1]
        if screened:
            x = x[:, x[0] > 0]
        allowed = np.array([gate_seeds(number) for number in range(1, x.shape[1] + 1)])
        needed = [-math.log(level_of(number, LEVEL)) for number in range(1, x.shape[1] + 1)]
        is_kept, seeds = Attempt.of(x).decided(np.array(needed))
        any_kept.append(bool((is_kept & (seeds <= allowed)).any()))
        used += list(np.minimum(seeds, allowed))
    name = f"{family}, screened" if screened else family
    return [
        row("null sessions", name, "sessions that keep anything", np.array(any_kept)),
        row("null sessions", name, "seeds per proposal", np.array(used)),
    ]


def draw_like_baseline(draw: Any, rng: np.random.Generator) -> np.ndarray:
    """Runs of all proposals, (LIMIT, PROPOSALS), of the very noise that the baseline has."""
    return draw(rng, LIMIT * PROPOSALS, 1)[:, 0].reshape(LIMIT, PROPOSALS)


def compared_rules(sessions: int) -> Rows:
    """Sessions and power of other ways to spend the 5%, normal noise, at most LIMIT seeds.

    With a baseline of its own for each attempt, and with one for all. Power after attempts that
    change nothing.
    """
    rows: Rows = []
    for shared in (False, True):
        rng = generator(f"rules {shared}")
        compared = rules(sessions, ATTEMPTS[-1])
        ever = {rule.name: np.zeros(sessions, dtype=bool) for rule in compared}
        baseline = rng.normal(size=(LIMIT, sessions))
        for _ in range(PROPOSALS):
            if not shared:
                baseline = rng.normal(size=(LIMIT, sessions))
            attempt = Attempt.of(rng.normal(size=(LIMIT, sessions)) - baseline)
            for rule in compared:
                ever[rule.name] |= rule.judge(attempt)
        label = "one baseline" if shared else "a baseline each"
        for name, keeps in ever.items():
            rows.append(row("rules", name, f"sessions that keep anything, {label}", keeps))
    return rows + power_of_rules()


def power_of_rules() -> Rows:
    """The share of attempts with a gain of 1 sd that each rule keeps, after others without any."""
    rows: Rows = []
    rng = generator("power of rules")
    compared = rules(CASES, ATTEMPTS[-1])
    for number in range(1, ATTEMPTS[-1] + 1):
        x = rng.normal(size=(LIMIT, CASES))
        if number in ATTEMPTS:
            better = Attempt.of(x + 1.0)
            for rule in map(copy.copy, compared):
                rows.append(row("rules", rule.name, "power at 1 sd", rule.judge(better), number))
            t_seeds = np.array([seeds_of_t_test(level_of(number, LEVEL))])
            rows.append(row("rules", compared[-1].name, "seeds", t_seeds, number))
        attempt = Attempt.of(x)
        for rule in compared:
            rule.judge(attempt)
    return rows


def power(effect: float) -> Rows:
    """Power of the gate, its seeds, and what it says of the gain, at some attempts."""
    rows: Rows = []
    name = f"{effect:.2g} sd"
    for attempt in ATTEMPTS:
        rng = generator(f"power {effect} {attempt}")
        needed = gate_seeds(attempt, effect)
        x = rng.normal(size=(needed, CASES)) + effect
        margin = None if effect == 1.0 else effect
        keeps, used = Attempt.of(x, margin).decided(-math.log(level_of(attempt, LEVEL)))
        rows.append(row("power", name, "seeds asked for", np.array([needed]), attempt))
        rows.append(row("power", name, "kept", keeps, attempt))
        rows.append(row("power", name, "seeds used", used, attempt))
        means = [x[: used[i], i].mean() for i in np.flatnonzero(keeps)]
        rows.append(row("power", name, "gain when kept", np.array(means), attempt))
        fresh = rng.normal(size=(8, CASES))[:, keeps].mean(axis=0) + effect
        rows.append(row("power", name, "gain on 8 fresh seeds", fresh, attempt))
    return rows


def power_with_margin(attempt: int, cases: int = 500) -> Rows:
    """Power if the margin is 1 sd and the sd is not known: seeds are added as the gate asks."""
    rng = generator(f"margin {attempt}")
    rules_of_ledger = Rules(margin=1.0)
    level = level_of(attempt, LEVEL)
    keeps = []
    used = []
    for _ in range(cases):
        x = rng.normal(size=rules_of_ledger.max_seeds) + 1.0
        n = 8
        decision = decide(x[:n], level, rules_of_ledger)
        while decision.verdict == MORE:
            n += decision.more_seeds or 1
            decision = decide(x[:n], level, rules_of_ledger)
        keeps.append(decision.verdict == KEEP)
        used.append(decision.rows or n)
    return [
        row("power", "margin of 1 sd", "kept", np.array(keeps), attempt),
        row("power", "margin of 1 sd", "seeds used", np.array(used), attempt),
    ]


def naive(sessions: int) -> Rows:
    """Loops without a gate, on proposals that change nothing."""
    single = gate_loops.single_runs(generator("single runs"), sessions, PROPOSALS)
    three = gate_loops.bootstrap(generator("bootstrap"), sessions, PROPOSALS)
    rows = []
    for name, result in (("better in one run", single), ("bootstrap of 3 against 3", three)):
        rows.append(row("naive", name, "sessions that keep anything", result["kept"] > 0))
        rows.append(row("naive", name, "kept per session", result["kept"]))
    rows.append(row("naive", "better in one run", "gain believed", single["gain"]))
    rows.append(row("naive", "bootstrap of 3 against 3", "first proposal kept", three["first"]))
    return rows


def main() -> None:
    arguments = simulations.parsed(__doc__, "sessions", 400)
    rows = naive(5 * arguments.sessions)
    for effect in (1.0, 1.5, math.sqrt(0.5)):
        rows += power(effect)
    for attempt in ATTEMPTS[:2]:
        rows += power_with_margin(attempt)
    rows += compared_rules(5 * arguments.sessions)
    for family in ("normal", "exponential", "collapsed", "heavy", "rounded"):
        rows += null_sessions(family, False, arguments.sessions)
    rows += null_sessions("normal", True, arguments.sessions)
    print(simulations.write(rows, arguments.out, "gate_errors").to_string())


if __name__ == "__main__":
    main()
