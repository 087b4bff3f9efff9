"""A line of a gate's ledger as an answer: for programs, and in words."""

from collections.abc import Mapping
from typing import Any

from actstudy.contract.counting import counted
from actstudy.judging.gate.attempts import FAILED
from actstudy.judging.gate.gate import STATUS
from actstudy.judging.gate.ledger import Line

FRESH = 8  # seeds that are asked for to estimate the gain of a change that was kept
KEYS = ["verdict", "reason", "attempt", "more_seeds", "evidence", "evidence_needed"]
KEYS += ["level", "spent", "budget", "gain", "fresh", "remembered", "line", "time"]


def of_line(line: Line) -> dict[str, Any]:
    """The answer that `gate --json` prints; its keys are those of docs/agents.md."""
    answer: dict[str, Any] = {name: line.get(name) for name in KEYS}
    answer["exit"] = STATUS[line["verdict"]]
    answer["head"] = line["hash"]
    answer["run_seeds"] = []
    answer["assumptions"] = []
    if line["kind"] == FAILED:
        return answer
    missing = line["more_seeds"] or 0
    if line["verdict"] == "keep":
        fresh = line["fresh"]["n"] if line["fresh"] else 0
        missing = max(0, FRESH - fresh)
    answer["run_seeds"] = next_seeds(line, missing)
    answer["assumptions"] = assumptions(line)
    return answer


def next_seeds(line: Line, count: int) -> list[int]:
    """The next `count` seeds, if seeds are whole numbers: above all that were run."""
    seeds = [*line["candidate"]["values"], *line["baseline"]["values"]]
    if not all(seed.lstrip("-").isdigit() for seed in seeds):
        return []
    start = max(int(pair[0]) for pair in line["pairs"]) + 1 if line["pairs"] else 0
    return list(range(start, start + count))


def assumptions(line: Line) -> list[str]:
    """What was taken for granted, in sentences."""
    sentences = []
    if line["paired"]:
        sentences.append("Runs of one seed are compared with each other.")
    else:
        sentences.append(
            "The sides have no seed in common: the k-th run of one is compared with the k-th of "
            "the other, which takes more seeds."
        )
    if not line["candidate"]["key"]:
        sentences.append(
            "Nothing is known of the candidate's settings, so that another seed of the baseline "
            "is recognised by equal values alone."
        )
    for side in ("candidate", "baseline"):
        name = side.capitalize()
        sentences += [f"{name}: {sentence}" for sentence in line[side]["assumptions"]]
    if line.get("without") is not None:
        sentences.append(
            f"The baseline is not known to have the change that line {line['without']} kept: if "
            "the candidate has it, what that change gains counts for this one as well. The "
            "candidate of that line is the baseline that has it."
        )
    lost = sum(None in values for values in paired_values(line))
    if lost:
        sentences.append(f"Pairs without a difference, as a run diverged: {lost}.")
    unused = len(line["candidate"]["values"]) - len(line["pairs"])
    if unused > 0:
        sentences.append(f"Runs of the candidate that have no partner, and do not count: {unused}.")
    return sentences


def paired_values(line: Line) -> list[tuple[float | None, float | None]]:
    """The values of both sides of each pair."""
    candidate = line["candidate"]["values"]
    baseline = line["baseline"]["values"]
    return [(candidate[first], baseline[second]) for first, second in line["pairs"]]


def words(answer: Mapping[str, Any]) -> list[str]:
    """The answer in lines for a person."""
    lines = [f"{answer['verdict']}: {answer['reason']}"]
    if answer["remembered"]:
        lines[0] += f" (asked before: line {answer['line']}, {answer['time']})"
    if answer["more_seeds"]:
        lines.append(
            f"run {counted(answer['more_seeds'], 'more seed')} of both{_named(answer)}, and ask "
            "again, after every few of them if you like: it may be decided earlier"
        )
    if answer["attempt"] is None:
        lines.append(spent_words(answer))
        return [*lines, f"ledger: line {answer['line']}, head {answer['head'][:12]}"]
    label = "gain"
    if answer["verdict"] == "keep":
        label = "gain when it was kept, too large since it was kept for it"
    lines.append(f"{label}: {in_words(answer['gain'])}")
    if answer["verdict"] == "keep" and answer["fresh"]:
        lines.append(f"gain on fresh seeds: {in_words(answer['fresh'])}")
    if answer["verdict"] == "keep" and answer["run_seeds"]:
        more = counted(len(answer["run_seeds"]), "more seed")
        lines.append(f"run {more} of both{_named(answer)}: what it really gains")
    lines.append(
        f"attempt {answer['attempt']}: evidence {answer['evidence']:.3g} of "
        f"{answer['evidence_needed']:.3g}; {spent_words(answer)}"
    )
    lines += answer["assumptions"]
    return [*lines, f"ledger: line {answer['line']}, head {answer['head'][:12]}"]


def spent_words(answer: Mapping[str, Any]) -> str:
    """How much of its error a ledger has spent: `4.8% of the error budget of 5% is spent`."""
    budget = answer["budget"]
    share = answer["spent"] / budget
    return f"{share:.1%} of the error budget of {100 * budget:g}% is spent"


def _named(answer: Mapping[str, Any]) -> str:
    """The seeds to run, in brackets."""
    seeds = answer["run_seeds"]
    if not seeds:
        return ""
    return f" ({seeds[0]})" if len(seeds) == 1 else f" ({seeds[0]} to {seeds[-1]})"


def in_words(gain: Mapping[str, Any] | None) -> str:
    """A gain with its interval; candidate minus baseline, positive if better."""
    if gain is None:
        return "not known"
    text = f"{gain['mean']:+.4g}"
    if gain["low"] is not None:
        text += f" (95%: {gain['low']:+.4g} to {gain['high']:+.4g})"
    return f"{text}, n = {gain['n']}"
