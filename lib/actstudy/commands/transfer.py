"""`transfer`: whether small studies, or small sizes of one study, predict large ones."""

import argparse
import json
from pathlib import Path

from actstudy.commands.internal import Command
from actstudy.commands.parser import Parser

EXAMPLES = """actstudy transfer results results/middle results/full
actstudy transfer results/sizes
actstudy transfer results results/full --csv transfer.csv"""


def add_flags(parser: Parser) -> None:
    """The studies, smallest first, and in which form the answer is printed."""
    parser.add_argument(
        "studies",
        nargs="+",
        metavar="FOLDER",
        help="folders of results, the largest study last; of one alone its sizes are compared",
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the rows, with every number as it is"
    )
    parser.add_argument("--json", action="store_true", help="print the same rows as JSON")


def transfer(arguments: argparse.Namespace) -> int:
    """Print whether small predicts large."""
    from actstudy.analysis.export.spreadsheet import write_csv
    from actstudy.judging.studies import beside, sizes, transfer, transfer_page

    studies = beside.opened(arguments.studies, "transfer")
    if len(studies) == 1:
        slopes, table = sizes.extrapolations(studies[0])
        text = transfer_page.sizes_page(studies[0], slopes, table)
    else:
        table, notes = transfer.transfers(studies)
        text = transfer_page.page(studies, table, notes)
    if arguments.csv:
        write_csv(table, arguments.csv)
    if arguments.json:
        rows = json.loads(table.to_json(orient="records", double_precision=15))
        text = json.dumps(rows, indent=1)
    print(text.rstrip())
    return 0


COMMAND = Command(
    "transfer",
    "whether small studies predict large ones: orders, signs of verdicts, a fit over sizes",
    add_flags,
    transfer,
    examples=EXAMPLES,
)
