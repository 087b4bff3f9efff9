"""Commands on published tables: replicate trains one again, check recomputes its statistics."""

import argparse
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
    mnist1d_notebook.write(list(table.claims.values), range(table.seeds), losses)
    print(replica_section(losses, mnist1d_notebook.TASK, table.claims))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Print a published table's recomputed statistics and the rows that are impossible."""
    from actstudy.analysis.page.replication_tables import published_section

    print(published_section(arguments.file))
    return 0
