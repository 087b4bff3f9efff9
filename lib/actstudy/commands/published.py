"""Commands on published tables: replicate trains one again, check recomputes its statistics."""

import argparse
import sys
from pathlib import Path

from actstudy.commands.parser import Parser


def add_flags(parser: Parser) -> None:
    """The file of the published table."""
    parser.add_argument("file", type=Path, help="a file of config/replicate")


def replicate(arguments: argparse.Namespace) -> int:
    """Train a published table again and print both side by side."""
    from actstudy.analysis.page.replication_tables import replica_section
    from actstudy.experiments import mnist1d_notebook
    from actstudy.study.replication import read_replica

    table = read_replica(arguments.file)
    losses = Path("results/replicate") / f"{arguments.file.stem}.parquet"
    mnist1d_notebook.write(list(table.claims.values), range(table.seeds), losses, _report)
    print(replica_section(losses, mnist1d_notebook.TASK, table.claims))
    return 0


def _report(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def check(arguments: argparse.Namespace) -> int:
    """Print how a published table's rows fit their own means; 1 if a row fits no reading."""
    from actstudy.analysis.page.published_tables import published_section
    from actstudy.analysis.questions import published
    from actstudy.study.replication import read_published

    source, rows = read_published(arguments.file)
    table = published.check(rows, source.baseline, source.level)
    print(published_section(source, table))
    impossible = (table["inconsistent"] != "") & (table["would_fit"] == "")
    return int(impossible.any())
