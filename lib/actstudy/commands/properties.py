"""`properties`: what activations are, computed from the functions themselves, side by side."""

import argparse
import csv
import sys

from actstudy.commands.certify import add_arguments_flag, arguments_of, named
from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.contract import registry

EXAMPLES = """actstudy properties
actstudy properties gelu silu acts:Squash --modules ~/code
actstudy properties leaky_relu --args '{negative_slope: 0.2}'
actstudy properties --csv > properties.csv"""


def add_flags(parser: Parser) -> None:
    """The activations, where their modules are, and the form of the table."""
    parser.add_argument(
        "activations",
        nargs="*",
        metavar="ACTIVATION",
        help="import paths, MODULE:NAME, or registered names; without any: all that are registered",
    )
    add_arguments_flag(parser)
    add_modules_flag(parser)
    parser.add_argument("--csv", action="store_true", help="a row per property, as CSV")


def properties(arguments: argparse.Namespace) -> int:
    """Print the properties of activations as tables of Markdown, or as CSV."""
    known = registry.activation  # feed-forward parts too
    names = [named(name, "properties", known) for name in arguments.activations]
    args = {name: arguments_of(name, arguments.args) for name in names}
    import torch

    from actstudy.analysis.page import property_tables
    from actstudy.certificate.properties import rows_of

    torch.set_num_threads(1)
    rows = [] if names else of_registered(timed=True)
    for name in names:
        rows += rows_of(name, args[name])
    if arguments.csv:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    else:
        print(property_tables.page(rows), end="")
    return 0


def of_registered(timed: bool) -> list[dict[str, str]]:
    """The properties of every registered activation; timed: as of `rows_of`."""
    from actstudy.certificate.properties import rows_of

    rows: list[dict[str, str]] = []
    for name in registry.activation_names():
        rows += rows_of(name, timed=timed)
    return rows
