"""`compare`: studies side by side, cell by cell, with what differs in their recipes on top."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actstudy.commands.internal import Command
from actstudy.commands.parser import Parser
from actstudy.contract import store

if TYPE_CHECKING:
    from actstudy.judging.studies.page import Comparison

EXAMPLES = """actstudy compare results/before results/after
actstudy compare results/a results/b results/c --csv cells.csv
actstudy compare results/before results/after --output compare.html
actstudy compare docs/example/verdicts/tables results/verdicts --json"""


def add_flags(parser: Parser) -> None:
    """The studies, and in which form they are printed."""
    parser.add_argument(
        "studies",
        nargs="+",
        metavar="FOLDER",
        help="folders of results, or of tables; all others are compared with the first",
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write a row per cell, with every number as it is"
    )
    parser.add_argument(
        "--output", type=_page, metavar="FILE", help="write a page to explore, FILE.html"
    )
    parser.add_argument("--json", action="store_true", help="print the same rows as JSON")


def compare(arguments: argparse.Namespace) -> int:
    """Print studies side by side."""
    import pandas as pd

    from actstudy.analysis.export.spreadsheet import write_csv
    from actstudy.judging.studies import beside, page

    comparisons = page.compare(beside.read(arguments.studies))
    if arguments.csv:
        write_csv(pd.concat([comparison.cells for comparison in comparisons]), arguments.csv)
    if arguments.output:
        _write_page(comparisons, arguments.output)
    if not arguments.json:
        print(page.page(comparisons))
        return 0
    content = []
    for comparison in comparisons:
        content.append(
            {
                "first": comparison.first.name,
                "other": comparison.other.name,
                "recipe": comparison.recipe,
                "notes": comparison.notes,
                "cells": json.loads(
                    comparison.cells.to_json(orient="records", double_precision=15)
                ),
            }
        )
    print(json.dumps(content, indent=1))
    return 0


def _write_page(comparisons: "Sequence[Comparison]", path: Path) -> None:
    from actstudy.judging.studies import explored  # late: it takes longer than all other imports

    text = explored.render(comparisons)
    with store.replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
    print(f"{path}: {len(text.encode('utf-8')) / 1e6:.1f} MB", file=sys.stderr)


def _page(text: str) -> Path:
    """The path of a page, from a flag's text."""
    if not text.endswith(".html"):
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a name that ends in .html")
    return Path(text)


COMMAND = Command(
    "compare",
    "studies side by side: what differs in their recipes, means, paired differences, verdicts",
    add_flags,
    compare,
    examples=EXAMPLES,
)
