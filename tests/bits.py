"""Compares the runs of two results folders, bit for bit.

    python tests/bits.py OLD/results/runs NEW/results/runs

Prints, per table, the runs and values compared and those that differ, and columns that are in one
folder only; exits 1 if a value differs or a run is in one folder only. Columns that a clock or the
host decides are left out, as in `reproducible`.
"""

import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.contract import schema


def run_folders(root: Path) -> set[Path]:
    """The folders of ended runs, relative to the root."""
    return {path.parent.relative_to(root) for path in root.glob("*/*/runs.parquet")}


def as_bits(column: pa.ChunkedArray) -> list[object]:
    """The values of a column, floats as hexadecimal text: NaN equals NaN, and -0 is not 0."""
    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        return [None if value is None else float.hex(value) for value in values]
    return values


def differing(old: pa.Table, new: pa.Table) -> tuple[int, int]:
    """The number of values of two tables, and of those that differ: all if the rows are others.

    A column of one table only was added or removed between versions and is left out.
    """
    names = [name for name in old.column_names if name in new.column_names]
    if len(old) != len(new):
        size = max(old.num_rows, new.num_rows) * len(names)
        return size, size
    count = 0
    for name in names:
        pairs = zip(as_bits(old[name]), as_bits(new[name]), strict=True)
        count += sum(a != b for a, b in pairs)
    return old.num_rows * len(names), count


def compare(old_root: Path, new_root: Path) -> int:
    """Print what was compared; returns 1 if anything differs, else 0."""
    old_runs = run_folders(old_root)
    new_runs = run_folders(new_root)
    values: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    single: set[str] = set()
    for run in sorted(old_runs & new_runs):
        for name in schema.SCHEMAS:
            pair = [pq.read_table(root / run / f"{name}.parquet") for root in (old_root, new_root)]
            old, new = map(schema.reproducible, pair)
            single |= {
                f"{name}.{column}" for column in set(old.column_names) ^ set(new.column_names)
            }
            size, count = differing(old, new)
            values[name] += size
            wrong[name] += count
            if count:
                print(f"{run}: {name}: {count} of {size} values differ")
    for name in schema.SCHEMAS:
        print(f"{name}: {values[name]:,} values compared, {wrong[name]:,} differ")
    print(f"columns in one folder only: {', '.join(sorted(single)) or 'none'}")
    alone = old_runs ^ new_runs
    print(f"{len(old_runs & new_runs)} runs in both folders, {len(alone)} in one only")
    print(f"{values.total():,} values compared in all, {wrong.total():,} differ")
    return int(bool(wrong.total() or alone))


if __name__ == "__main__":
    sys.exit(compare(Path(sys.argv[1]), Path(sys.argv[2])))
