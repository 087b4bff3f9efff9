"""What a broken grid must not lose or change: completed runs, readable files, bits."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from actstudy.contract import schema, store

Seal = tuple[bytes, int]
# Columns of study tables that a clock or the host decides; `schema` marks those of runs.
CLOCK = {f.name for f in schema.RUNS if f.metadata[b"clock"] == b"yes"} | {
    "n_timed",
    "lowest_throughput",
    "highest_throughput",
    "median_seconds",
}


def run_folders(results: Path) -> list[Path]:
    """Folders of runs, of packs' state none."""
    return sorted(path for path in results.glob("runs/*/*") if not path.name.startswith("."))


def seal(run: Path) -> Seal | None:
    """Checksums of a run's kept tables and when they were written.

    None where they do not verify.
    """
    final = run / "checkpoints" / "final"
    if not store.verifies(final):
        return None
    return (final / store.MANIFEST).read_bytes(), (final / "runs.parquet").stat().st_mtime_ns


class Completed:
    """Runs that were seen complete, and what has become of them."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.seals: dict[Path, Seal | None] = {}

    def look(self) -> None:
        """Note the runs whose published tables verify now."""
        for run in run_folders(self.results):
            if run not in self.seals and store.verifies(run):
                self.seals[run] = seal(run)

    def lost(self) -> list[str]:
        """Those whose kept tables are gone, or were written anew: trained a second time."""
        gone = {run: seal(run) for run in self.seals}
        return [
            f"{run.name}: {'gone' if gone[run] is None else 'trained again'}"
            for run in self.seals
            if gone[run] is None or gone[run] != self.seals[run]
        ]


def unreadable(results: Path) -> list[str]:
    """Tables and notes under their final names that cannot be read."""
    found = []
    for path in results.rglob("*"):
        if path.name.startswith(".") or path.suffix not in (".parquet", ".json"):
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_bytes())
            else:
                pq.read_table(path, page_checksum_verification=True)
        except FileNotFoundError:
            pass  # a trainer that lives on has just replaced it
        except (ValueError, OSError) as error:
            found.append(f"{path.relative_to(results)}: {str(error).splitlines()[0]}")
    return found


def drafts(results: Path) -> list[str]:
    """What writers that died have left behind."""
    return [str(path.relative_to(results)) for path in results.rglob(".*.tmp")]


def steady(path: Path) -> pa.Table:
    """A study table less what a clock or the host decides."""
    table = pq.read_table(path)
    clocked = [name for name in table.schema.names if name in CLOCK]
    if "metric" in table.schema.names:
        table = table.filter(pc.not_equal(table["metric"], "epoch_seconds"))
    return table.drop_columns(clocked).replace_schema_metadata(None)


def bits(table: pa.Table) -> list[object]:
    """A table's columns as what can be compared bit for bit: a NaN equals itself, 0.0 not -0.0."""
    columns = [(column, column.is_null().to_pylist()) for column in table.itercolumns()]
    values = [
        column.fill_null(0.0).to_numpy().tobytes()
        if pa.types.is_floating(column.type)
        else column.to_pylist()
        for column, _ in columns
    ]
    return [table.schema.names, [nulls for _, nulls in columns], values]


def same_run(calm: Path, there: Path, name: str) -> bool:
    """Whether a table of two folders of a run agrees in all that a rerun reproduces."""
    one, other = (schema.reproducible(store.read(folder, name)[0]) for folder in (calm, there))
    return bits(one) == bits(other)


def changed(calm: Path, broken: Path, study: str) -> list[str]:
    """Tables of runs, and of the study, that differ in a bit between two results folders."""
    found = []
    for run in run_folders(calm):
        there = broken / run.relative_to(calm)
        for name in schema.SCHEMAS:
            if not store.verifies(there):
                found.append(f"{run.name}/{name}: not there")
            elif not same_run(run, there, name):
                found.append(f"{run.name}/{name}")
    for table in sorted((calm / study / "tables").glob("*.parquet")):
        there = broken / study / "tables" / table.name
        if not there.is_file() or bits(steady(table)) != bits(steady(there)):
            found.append(f"{study}/tables/{table.name}")
    return found
