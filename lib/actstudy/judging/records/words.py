"""A judged table of records, as Markdown."""

from collections.abc import Mapping
from typing import Any

from actstudy.analysis.markdown import escaped, listed

MARKS = {True: "yes", False: "no", None: ""}
MAX_TIED = 12  # names that a sentence has
RULES = {
    "own": "its own formula",
    "holm": "Holm at 5% over all of them",
    "plain": "5% for each alone",
}


def text(data: Mapping[str, Any]) -> str:
    """The sentences, the table of successive records and what was assumed."""
    parts = [f"{escaped(data['title'])} ({escaped(data['source'])})", sentences(data), table(data)]
    assumed = "\n".join(f"- {escaped(sentence)}" for sentence in data["assumed"])
    return "\n\n".join([*parts, f"Assumed:\n\n{assumed}"])


def sentences(data: Mapping[str, Any]) -> str:
    """How many successive records stand, and which entries may be the best."""
    counts = data["counts"]
    pairs = counts["pairs"]
    lines = []
    for name, rule in RULES.items():
        if name in counts:
            line = f"- by {rule}: {counts[name]} of {pairs}"
            if "counts_if_rounded" in data:
                low, high = data["counts_if_rounded"][name]
                line += f" ({low} to {high}, as printed means are rounded)"
            lines.append(line)
    head = f"Of {data['records']} records, {pairs} have a predecessor. They stand against it:"
    words = [head, "", *lines, "", tie_sentence(data["tied"], data["entries"])]
    if "valid" in data:
        valid = f"Against the target of {data['target']:g}, {data['valid']} of {data['entries']}"
        words += ["", f"{valid} entries stand by its own formula."]
    return "\n".join(words)


def tie_sentence(tied: Mapping[str, Any], entries: int) -> str:
    """The set that holds the best, and from what the last record is not separated."""
    group = names(tied["group"])
    place = "is one of them" if tied["holds_last_record"] else "is none of them"
    line = f"The best of all {entries} entries is, with 95%, among {group}; the last record, "
    line += f"{escaped(tied['last_record'])}, {place}. Over all pairs no test separates it from "
    return f"{line}{names(tied['close_to_last_record']) or 'no other entry'}."


def names(entries: list[str]) -> str:
    """The names of entries in words, the first MAX_TIED."""
    shown_names = [escaped(name) for name in entries[:MAX_TIED]]
    if len(entries) > MAX_TIED:
        shown_names.append(f"{len(entries) - MAX_TIED} more")
    return listed(shown_names)


def table(data: Mapping[str, Any]) -> str:
    """A row per successive record."""
    head = ["record", "before", "gain", "standard error", "z", "p", "p (Holm)"]
    own = data["threshold"] is not None
    head += [*(["own formula"] if own else []), "Holm", "plain 5%"]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for step in data["steps"]:
        cells = [escaped(step["record"]), escaped(step["before"])]
        cells += [f"{step['gain']:+.5f}", f"{step['error']:.5f}", f"{step['z']:.2f}"]
        cells += [f"{step['p']:.2g}", f"{step['p_holm']:.2g}"]
        marks = [step["own"]] if own else []
        cells += [MARKS[mark] for mark in (*marks, step["holm"], step["plain"])]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)
