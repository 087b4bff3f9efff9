"""Arguments, processes and result file of the benchmarks that simulate studies.

Each takes how much is simulated and where its table goes, `--out`; some take `--processes`, on
which no number depends, as every case has a generator of its own.
"""

import argparse
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

Rows = list[dict[str, Any]]
Case = Callable[[int], Rows]  # studies -> the rows of one case


def parsed(
    document: str | None, count: str = "studies", default: int = 2_000, processes: int | None = None
) -> argparse.Namespace:
    """The arguments of the command line: `--out`, and a number of what is simulated.

    document: of the benchmark, for `--help`; count: what is simulated; processes: the default of
    `--processes`, None if the benchmark has but one.
    """
    parser = argparse.ArgumentParser(
        description=document, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(f"--{count}", type=int, default=default)
    if processes is not None:
        parser.add_argument("--processes", type=int, default=processes)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def in_processes(cases: Iterable[Case], arguments: argparse.Namespace) -> Rows:
    """The rows of all cases in their order, printed as they come."""
    rows: Rows = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        for own in pool.map(partial(rows_of, studies=arguments.studies), cases):
            rows += own
            for result in own:
                print(" ".join(map(printed, result.values())), flush=True)
    return rows


def rows_of(case: Case, studies: int) -> Rows:
    """The rows of one case, in whatever process."""
    return case(studies)


def printed(value: Any) -> str:
    """A value of a row as it is printed."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def write(rows: Rows, folder: Path, name: str) -> pd.DataFrame:
    """Write rows as FOLDER/NAME.parquet; the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    table.to_parquet(folder / f"{name}.parquet", index=False)
    return table
