"""The style of a folder's Python files in figures, and the floors of its packages.

    python tests/style.py [FOLDER] [--by-file]    print the figures (default: lib)
    python tests/style.py --list FILE             print the lines that are counted in a file
    python tests/style.py --write                 lower tests/style_baseline.json

What is counted, and by which rules: tests/style_rules.py.
"""

import argparse
import ast
import json
import statistics
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import floors
from style_rules import LINE_LIMIT, count_node, count_text, function_lengths

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "tests/style_baseline.json"
FOLDERS = ("lib", "workflow", "benchmarks", "docs", "tests")
COLUMNS = ("unrelated", "comprehensions", "nested", "ifs", "unions", "times_bool", "banned")
RATCHET = ("unrelated", "nested", "banned")
BUDGET = {"unrelated": 8, "comprehensions": 45, "ifs": 28}  # per 1,000 statements


def python_files(folder: Path) -> list[Path]:
    """The Python files under `folder`, those in hidden folders left out."""
    files = []
    for path in sorted(folder.rglob("*.py")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            files.append(path)
    return files


def ratchet_counts() -> dict[str, dict[str, int]]:
    """The counts that may only fall, by file of the project; zeros are left out."""
    by_file = {}
    for folder in FOLDERS:
        for path in python_files(ROOT / folder):
            counts = count_text(path.read_text())
            raised = {name: counts[name] for name in RATCHET if counts[name]}
            if raised:
                by_file[path.relative_to(ROOT).as_posix()] = raised
    return by_file


def write_baseline() -> None:
    """Lower the baseline to the present counts; without a baseline write them as they are."""
    baseline = ratchet_counts()
    if BASELINE.exists():
        allowed = json.loads(BASELINE.read_text())
        baseline = {path: lowered(baseline.get(path, {}), allowed[path]) for path in allowed}
        baseline = {path: counts for path, counts in baseline.items() if counts}
    BASELINE.write_text(json.dumps(baseline, indent=1) + "\n")


def lowered(present: dict[str, int], allowed: dict[str, int]) -> dict[str, int]:
    """The smaller of the present and the allowed counts; zeros are left out."""
    return {name: min(present[name], allowed[name]) for name in present if name in allowed}


def print_places(path: Path) -> None:
    """Print the lines of a file that are counted."""
    text = path.read_text()
    lines = text.splitlines()
    nodes = [node for node in ast.walk(ast.parse(text)) if hasattr(node, "lineno")]
    for node in sorted(nodes, key=lambda node: node.lineno):
        counts = count_node(node)
        for name in COLUMNS:
            if counts[name]:
                print(f"{path}:{node.lineno}: {name}: {lines[node.lineno - 1].strip()}")


def total(files: Iterable[Path]) -> Counter:
    """The sum of the counts of all files."""
    counts: Counter = Counter()
    for path in files:
        counts += count_text(path.read_text())
    return counts


def per_thousand(counts: Counter, name: str) -> float:
    """`name` per 1,000 statements."""
    return 1000 * counts[name] / max(counts["statements"], 1)


def excess(counts: Counter) -> float:
    """How many statements, names and lines of a file are over the budgets of the project."""
    over = counts["nested"] + counts["banned"] + counts["long_lines"]
    for name, budget in BUDGET.items():
        over += max(0.0, counts[name] - budget * counts["statements"] / 1000)
    return over


def print_sizes(by_file: dict[Path, Counter], counts: Counter) -> None:
    """Print the sizes of functions, files and lines, and the share of docstrings."""
    lengths = []
    for path in by_file:
        lengths += function_lengths(path.read_text())
    lengths.sort()
    p95 = lengths[int(0.95 * (len(lengths) - 1))]
    print(f"functions     median {statistics.median(lengths):g}, p95 {p95}, longest {lengths[-1]}")
    longest = max(by_file, key=lambda path: by_file[path]["lines"])
    print(f"longest file  {by_file[longest]['lines']} lines, {longest}")
    print(f"docstrings    {counts['documented'] / max(counts['functions'], 1):.0%} of functions")
    mean = counts["characters"] / max(counts["full_lines"], 1)
    share = counts["long_lines"] / max(counts["full_lines"], 1)
    print(f"lines         mean {mean:.0f} characters, {share:.1%} over {LINE_LIMIT}")


def print_counts(counts: Counter) -> None:
    """Print what is counted per statement."""
    labels = {
        "packings": "a, b = x, y",
        "unrelated": "... unrelated",
        "comprehensions": "comprehensions",
        "nested": "... nested",
        "ifs": "inline ifs",
        "unions": "|=",
        "times_bool": "list times boolean",
        "banned": "banned names",
    }
    print(f"{'':20}{'count':>7}{'per 1,000 statements':>22}{'budget':>8}")
    for name, label in labels.items():
        rate = f"{per_thousand(counts, name):.1f}"
        print(f"{label:20}{counts[name]:>7}{rate:>22}{BUDGET.get(name, ''):>8}")


def print_floors(folder: Path) -> None:
    """Print the floors of the rooms of each package under `folder`."""
    for package in floors.packages(folder):
        files = floors.import_graph(package)
        rooms = floors.rooms(files)
        if not rooms:
            continue  # a package of one file
        floor_of = floors.floors(rooms)
        by_floor: dict[int, list[str]] = {}
        for room, floor in floor_of.items():
            by_floor.setdefault(floor, []).append(room)
        height = max(floors.floors(files).values())
        print(f"{package.name}: {max(by_floor)} floors of rooms, {height} of files")
        for floor in sorted(by_floor, reverse=True):
            print(f"  {floor}  {' '.join(sorted(by_floor[floor]))}")
        for name, graph in (("rooms", rooms), ("files", files)):
            loops = floors.circles(graph)
            print(f"  circles of {name}: {len(loops)}", *(sorted(loop) for loop in loops))


def print_files(by_file: dict[Path, Counter], folder: Path) -> None:
    """Print one row per file, the one furthest over the budgets first."""
    columns = (*COLUMNS, "long_lines")
    print(f"{'over':>6}{'lines':>6}", *(f"{name[:10]:>10}" for name in columns), " file")
    for path in sorted(by_file, key=lambda path: -excess(by_file[path])):
        counts = by_file[path]
        cells = [f"{counts[name]:>10}" for name in columns]
        print(f"{excess(counts):>6.1f}{counts['lines']:>6}", *cells, "", path.relative_to(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "lib")
    parser.add_argument("--by-file", action="store_true", help="one row per file")
    parser.add_argument("--list", type=Path, help="print the lines that are counted in this file")
    parser.add_argument("--write", action="store_true", help=f"lower {BASELINE.name}")
    arguments = parser.parse_args()
    if arguments.write:
        write_baseline()
        return
    if arguments.list:
        print_places(arguments.list)
        return
    folder = arguments.folder.resolve()
    by_file = {path: count_text(path.read_text()) for path in python_files(folder)}
    if not by_file:
        parser.error(f"no Python files under {folder}")
    counts = total(by_file)
    print(f"{folder}: {len(by_file)} files, {counts['lines']} lines")
    print(f"statements    {counts['statements']}")
    print_sizes(by_file, counts)
    print_counts(counts)
    print_floors(folder)
    if arguments.by_file:
        print_files(by_file, folder)


if __name__ == "__main__":
    main()
