"""`demo`: what there is to be seen in seconds, each a table and a picture."""

import argparse
import importlib
from pathlib import Path

from actstudy.commands.certify import named
from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.contract import demos, invocation, store
from actstudy.contract.errors import StudyError, check_name

EXAMPLES = """actstudy demo
actstudy demo why
actstudy demo plot relu gelu acts:Squash --modules ~/code"""
PARTS = ("table", "picture")


def add_flags(parser: Parser) -> None:
    """The demo, other activations than its own, and where their modules are."""
    parser.add_argument("demo", nargs="?", metavar="NAME", help="without it: all are listed")
    parser.add_argument(
        "activations",
        nargs="*",
        metavar="ACTIVATION",
        help="other activations to compare: registered names, or import paths, MODULE:NAME",
    )
    add_modules_flag(parser)
    parser.add_argument("--only", choices=PARTS, help="compute its table, or draw the picture")


def demo(arguments: argparse.Namespace) -> int:
    """List the demos, or make one: results/demos/NAME.parquet, then NAME.png from it."""
    name = arguments.demo
    if name is None:
        print("\n".join(_listed()))
        return 0
    check_name(name, "demo", demos.DEMOS)
    activations = tuple(named(word, "demo") for word in dict.fromkeys(arguments.activations))
    if activations and not demos.DEMOS[name].activations:
        raise StudyError(f"demo: {name}: got {activations[0]}; allowed: no activations")
    stem = demos.stem(name, activations)
    if arguments.only != "picture":
        _compute(name, activations, stem.with_suffix(".parquet"))
    if arguments.only != "table":
        _draw(name, stem)
    return 0


def _listed() -> list[str]:
    """A line per demo, and how to make one."""
    width = max(map(len, demos.DEMOS))
    lines = [f"{name:<{width}}  {demo.title}" for name, demo in demos.DEMOS.items()]
    program = invocation.program()
    return [
        *lines,
        f"make a picture of one: {program} demo NAME, or snakemake {demos.FOLDER}/NAME.png",
    ]


def _compute(name: str, activations: tuple[str, ...], file: Path) -> None:
    """Write the table of a demo."""
    import pyarrow.parquet as pq
    import torch

    torch.set_num_threads(1)
    module = importlib.import_module(f"actstudy.experiments.demo_{name}")
    compared = activations or demos.DEMOS[name].activations
    rows = module.table(compared) if compared else module.table()
    with store.replacing(file) as draft:
        pq.write_table(rows, draft)


def _draw(name: str, stem: Path) -> None:
    """Draw the picture of a demo from its table; StudyError if there is none."""
    import pandas as pd

    from actstudy.analysis import figures

    file = stem.with_suffix(".parquet")
    if not file.is_file():
        raise StudyError(f"demo: {file}: missing; allowed: without --only picture, which writes it")
    module = importlib.import_module(f"actstudy.analysis.figures.demo_{name}")
    figure, caption = module.draw(pd.read_parquet(file))
    figures.save(figure, caption, stem)
    print(f"{stem}.png: {caption}")
