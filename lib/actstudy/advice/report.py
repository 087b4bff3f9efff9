"""What a report on health says: what was checked, its sites, and the findings with their causes."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from actstudy.advice import context, rules
from actstudy.advice.rules import Advice, Finding
from actstudy.advice.series import Series

MAX_SITES = 5  # in the table
COLUMNS = {  # of that table: the readings whose last value is shown, and its format
    "dead": ((("site", "dead"), ("site", "dead_from_start")), "{:.0%}"),
    "saturated": ((("site", "saturated_fraction"),), "{:.0%}"),
    "sd": ((("site", "post_sd"),), "{:.3g}"),
    "gradient norm": ((("site", "gradient_norm"),), "{:.3g}"),
}
SHARES = ("dead", "saturated")
UNKNOWN = "-"


class Check(NamedTuple):
    """An item of the checklist and its verdict: checked or not, why not, what was found."""

    name: str
    verdict: str


def checked(advice: Advice, labels: Mapping[str, str] | None = None) -> list[str]:
    """The checklist and the table of sites, in lines; labels: as in `rules.examine`."""
    checks = checklist(advice, labels or {})
    width = max(len(check.name) for check in checks)
    lines = ["checked:"]
    lines += [f"  {check.name:<{width}}  {check.verdict}" for check in checks]
    return lines + sites(advice.series, labels or {})


def checklist(advice: Advice, labels: Mapping[str, str]) -> list[Check]:
    """The items of rules.yaml's `checks`; those that do not apply to the model are left out."""
    by_check: dict[str, list[Finding]] = {}
    check_of_rule = {rule.name: rule.check for rule in rules.rules()}
    for finding in advice.findings:
        by_check.setdefault(check_of_rule[finding.rule], []).append(finding)
    checks = []
    for name, entry in rules.contents()["checks"].items():
        verdict = _verdict(name, entry, advice, labels)
        if name in by_check:
            names = [f"{finding.severity} {finding.rule}" for finding in by_check[name]]
            verdict = f"found: {', '.join(names)}"
        if verdict:
            checks.append(Check(name, verdict))
    return checks


def _verdict(name: str, entry: Mapping[str, Any], advice: Advice, labels: Mapping[str, str]) -> str:
    """What is said of an item without a finding; "" if it is left out."""
    read = {word: advice.series.get(tuple(key), {}) for word, key in entry["reads"].items()}
    present = {word: places for word, places in read.items() if places}
    own_rules = [rule for rule in rules.rules() if rule.check == name]
    is_fit = any(context.fits(rule.when, rule.unless, advice.known) for rule in own_rules)
    if not present or not is_fit:
        if entry.get("optional"):
            return ""
        if not present:
            return f"not checked: {entry['missing']}"
        reasons = [words for word, words in entry["unfit"].items() if word in advice.known]
        return f"not judged: {_in_words(reasons[0], present, labels)}"
    seen = _in_words(entry.get("seen", ""), present, labels)
    if len(read) > 1 and not seen:
        seen = ", ".join(present)
        absent = [word for word in read if word not in present]
        seen += f"; not read: {', '.join(absent)}" if absent else ""
    return f"nothing seen: {seen}" if seen else "nothing seen"


def _in_words(words: str, present: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Words of rules.yaml with the values of what was read."""
    places: dict[str, Mapping[int, float]] = {}
    for part in present.values():
        places |= part
    last = {place: values[max(values)] for place, values in places.items()}
    worst = max(last, key=lambda place: last[place])
    of_first = next(iter(places.values()))
    of_first_kind: Mapping[str, Mapping[int, float]] = next(iter(present.values()))
    return words.format(
        most=last[worst],
        least=min(min(values.values()) for values in of_first_kind.values()),
        place=rules.labelled(worst, labels),
        first=of_first[min(of_first)],
        last=of_first[max(of_first)],
        median=statistics.median(of_first.values()),
    )


def sites(series: Series, labels: Mapping[str, str]) -> list[str]:
    """A table of the last values at each site, in lines, the largest shares first."""
    names = list(series.get(("site", "post_sd"), ()))
    if not names:
        return []
    rows = {name: _row(series, name) for name in names}
    names.sort(key=lambda name: -_worst(rows[name]))
    cells = [["site, last finite reading", *COLUMNS]]
    for name in names[:MAX_SITES]:
        numbers = []
        for value, (_, form) in zip(rows[name], COLUMNS.values(), strict=True):
            numbers.append(UNKNOWN if value is None else form.format(value))
        cells.append([f"  {rules.labelled(name, labels)}", *numbers])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *numbers in cells:
        padded = [f"{number:>{width}}" for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *padded]))
    if len(names) > MAX_SITES:
        lines.append(f"  and {len(names) - MAX_SITES} more")
    return lines


def _row(series: Series, site: str) -> list[float | None]:
    """A site's numbers in the table, None if one is not known."""
    return [_last(series, keys, site) for keys, _ in COLUMNS.values()]


def _last(series: Series, keys: Iterable[tuple[str, str]], site: str) -> float | None:
    """The last known value of a site's reading, of the first of these keys that has one."""
    for key in keys:
        values = series.get(key, {}).get(site)
        if values:
            return values[max(values)]
    return None


def _worst(row: Sequence[float | None]) -> float:
    """The larger share of a row of the table; 0 if none is known."""
    shares = [value for value, name in zip(row, COLUMNS, strict=True) if name in SHARES]
    return max((value for value in shares if value is not None), default=0.0)


def in_lines(findings: Iterable[Finding]) -> list[str]:
    """Findings in lines: what, how often and since when; what helps; what follows from it."""
    lines = []
    is_first_effect = False
    for finding in findings:
        if not finding.cause:
            lines += [_line(finding), f"    try: {'; '.join(finding.remedies)}"]
            is_first_effect = True
            continue
        if is_first_effect:
            lines.append("    likely consequences:")
            is_first_effect = False
        lines.append(f"    - {_line(finding)}")
    return lines


def in_brief(findings: Sequence[Finding]) -> str:
    """The number of findings and the first of them, in a few words."""
    causes = [finding for finding in findings if not finding.cause]
    if not causes:
        return "nothing found"
    count = f"{len(causes)} finding{'s' if len(causes) > 1 else ''}"
    return f"{count}, {causes[0].severity} {causes[0].rule} first"


def _line(finding: Finding) -> str:
    line = f"{finding.severity}: {finding.text}"
    if finding.places > 1:
        line += f" (and {finding.places - 1} more)"
    if finding.step >= 0:
        line += f", step {finding.step}"
    if 0 <= finding.first < finding.step:
        line += f", first at step {finding.first}"
    return f"{line}  [{finding.rule}]"
