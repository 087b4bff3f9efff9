"""The tables of published runs, verified and read part by part, and kept for the next time.

A part is some runs' tables together, a Parquet file per table. With a folder, parts are kept in it:
of a study that has grown by a seed only the new runs' own files are read. A run is read again
unless the disk says the same of all its files as when it was read (`contract/published`), so one
that was edited, damaged or trained again is; the folder may be deleted at any time.
"""

import contextlib
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from actstudy.contract import published, store
from actstudy.contract.schema import SCHEMAS

PART_RUNS = 128  # of a part at most
PART_ROWS = 600_000  # of a part, about: its frames take a few 100 MB
SPARE_PARTS = 8  # that are less than half full, before they are written anew
FOLDER = "collected"  # of a study: where the workflow keeps parts
INDEX = "index.json"
VERSION = 1  # of the files in the folder

Run = tuple[str, str]  # its task and its id
Tables = dict[str, list[pa.Table]]  # name -> the runs' tables, those of equal columns as one


class Part(NamedTuple):
    """Some runs that have ended, and what was asked for of them."""

    runs: list[Run]
    tables: Tables


class RunTables:
    """Reads the tables of runs; `damaged` says which of those asked for do not verify, and why."""

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        """root: the folder of runs; folder: where parts are kept, None to keep none."""
        self.root = root
        self.folder = folder
        self._place = folder or Path()
        self.damaged: dict[str, str] = {}
        self.n_read = 0  # runs whose own files were read
        self._own: set[Run] = set()  # that were read here, and are not read again
        self._index = self._read_index()

    def parts(self, runs: Sequence[Run], names: Sequence[str]) -> Iterator[Part]:
        """The tables `names` of all runs that have ended, part by part."""
        present = [run for run in dict.fromkeys(runs) if self._is_published(run)]
        if self.folder is None:
            yield from self._read_runs(present, names)
            return
        self._keep(present)
        runs_of_part: dict[int, list[Run]] = {}
        for run in present:
            if run in self._index:
                runs_of_part.setdefault(self._index[run][0], []).append(run)
        for number, of_part in runs_of_part.items():
            try:
                yield Part(of_part, self._read_part(number, of_part, names))
            except (OSError, pa.ArrowException):  # somebody was at the parts
                self._forget(number)
                yield from self._read_runs(of_part, names)

    def _is_published(self, run: Run) -> bool:
        return self._folder_of(run).joinpath(store.MANIFEST).is_file()

    def _folder_of(self, run: Run) -> Path:
        return self.root / run[0] / run[1]

    def _read_runs(self, runs: Iterable[Run], names: Sequence[str]) -> Iterator[Part]:
        """Parts of the runs among some that verify."""
        part = Part([], {name: [] for name in names})
        n_rows = 0
        for run in runs:
            self.n_read += 1
            try:
                of_run = store.read(self._folder_of(run), *names)
            except store.Damaged as error:
                self.damaged[run[1]] = str(error)
                continue
            part.runs.append(run)
            for name, table in zip(names, of_run, strict=True):
                part.tables[name].append(table)
                n_rows += len(table)
            if len(part.runs) == PART_RUNS or n_rows >= PART_ROWS:
                yield together(part)
                part = Part([], {name: [] for name in names})
                n_rows = 0
        if part.runs:
            yield together(part)

    def _keep(self, runs: Sequence[Run]) -> None:
        """Read what is new or not as it was, into new parts."""
        signatures = {run: published.signature(self._folder_of(run)) for run in runs}
        new = [run for run in runs if not self._holds(run, signatures[run])]
        if not new:
            return
        # after the parts that the index on disk names: it holds until it is written anew
        first = max((number for number, _ in self._index.values()), default=-1) + 1
        small = self._small()
        if len(small) >= SPARE_PARTS:
            self._leave_out(small)
            new = [run for run in runs if not self._holds(run, signatures[run])]
        for run in new:
            self._index.pop(run, None)
        for number, part in enumerate(self._read_runs(new, list(SCHEMAS)), first):
            self._write_part(number, part.tables)
            self._own.update(part.runs)
            for run in part.runs:
                same = signatures[run] == published.signature(self._folder_of(run))
                self._index[run] = (number, signatures[run] if same else "")
        self._write_index()

    def _small(self) -> set[int]:
        """The parts that hold less than half of what a part may."""
        n_runs = Counter(number for number, _ in self._index.values())
        few = [number for number, n in n_runs.items() if n < PART_RUNS / 2]
        return {number for number in few if self._n_rows[number] < PART_ROWS / 2}

    def _holds(self, run: Run, signature: str) -> bool:
        if run not in self._index:
            return False
        return run in self._own or (bool(signature) and self._index[run][1] == signature)

    def _read_part(self, number: int, runs: Sequence[Run], names: Sequence[str]) -> Tables:
        """The tables of some runs of a part; OSError if it does not hold each of them once."""
        ids = pa.array([run_id for _, run_id in runs])
        tables: Tables = {}
        for name in dict.fromkeys(["runs", *names]):
            several = []
            for file in self._files[number].get(name, ()):
                path = self._part(number) / file
                table = pq.read_table(path, use_threads=False, page_checksum_verification=True)
                several.append(table.filter(pc.is_in(table["run_id"], ids)))
            tables[name] = [table for table in several if len(table)] or several[:1]
        run_ids = itertools.chain(*(table["run_id"].to_pylist() for table in tables["runs"]))
        if sorted(run_ids) != sorted(ids.to_pylist()):
            raise OSError(f"{self._part(number)}: not the runs that {INDEX} says")
        return {name: tables[name] for name in names}

    def _forget(self, number: int) -> None:
        """Leave a part out of the index, so that its runs are read again."""
        self._leave_out({number})
        self._write_index()

    def _leave_out(self, parts: Collection[int]) -> None:
        self._index = {run: entry for run, entry in self._index.items() if entry[0] not in parts}

    def _part(self, number: int) -> Path:
        return self._place / f"part-{number:05}"

    def _write_part(self, number: int, tables: Tables) -> None:
        """Write the files of a part: one per table and kind of its columns."""
        folder = self._part(number)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._files[number] = {}
        self._n_rows[number] = sum(map(len, itertools.chain(*tables.values())))
        for name, several in tables.items():
            self._files[number][name] = [f"{name}-{place}.parquet" for place in range(len(several))]
            for file, table in zip(self._files[number][name], several, strict=True):
                with store.replacing(folder / file) as draft:
                    pq.write_table(table, draft, write_page_checksum=True)

    def _read_index(self) -> dict[Run, tuple[int, str]]:
        """Run -> its part and the signature of its files when it was read."""
        self._files: dict[int, dict[str, list[str]]] = {}  # of each part: table -> its files
        self._n_rows: dict[int, int] = {}  # of each part
        if self.folder is None:
            return {}
        note = store.read_note(self.folder / INDEX, {})
        try:
            if note["version"] != [VERSION, list(SCHEMAS)]:
                return {}
            self._files = {number: dict(files) for number, files, _ in note["parts"]}
            self._n_rows = {number: int(n) for number, _, n in note["parts"]}
            rows = note["runs"]
            index = {(task, run): (part, signature) for task, run, part, signature in rows}
        except (KeyError, TypeError, ValueError):  # somebody was at it
            return {}
        return {run: entry for run, entry in index.items() if entry[0] in self._files}

    def _write_index(self) -> None:
        """Write which runs the parts hold, and remove parts that hold none."""
        rows = [[*run, *entry] for run, entry in self._index.items()]
        numbers = {number for number, _ in self._index.values()}
        parts = [[number, self._files[number], self._n_rows[number]] for number in numbers]
        content = {"version": [VERSION, list(SCHEMAS)], "parts": parts, "runs": rows}
        text = json.dumps(content)
        with store.replacing(self._place / INDEX) as draft:
            draft.write_text(text, encoding="utf-8")
        used = {self._part(number) for number in numbers}
        for part in self._place.glob("part-*"):
            if part not in used:
                with contextlib.suppress(OSError):
                    shutil.rmtree(part)


def together(part: Part) -> Part:
    """A part whose tables of equal columns are one."""
    return Part(part.runs, {name: alike(tables) for name, tables in part.tables.items()})


def alike(tables: Iterable[pa.Table]) -> list[pa.Table]:
    """Tables with those of equal columns as one, in the order of the first of each."""
    by_schema: dict[pa.Schema, list[pa.Table]] = {}
    for table in tables:
        by_schema.setdefault(table.schema, []).append(table)
    return [pa.concat_tables(several).combine_chunks() for several in by_schema.values()]


def without(tables: Iterable[pa.Table], runs: Iterable[str]) -> list[pa.Table]:
    """Tables without the rows of some runs, by id."""
    left_out = pa.array(list(runs), pa.string())
    if not len(left_out):
        return list(tables)
    return [t.filter(pc.invert(pc.is_in(t["run_id"], left_out))) for t in tables]


def by_run(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Each run's rows of a table, which follow each other."""
    if not len(table):
        return
    ends = pc.run_end_encode(table["run_id"].combine_chunks())
    start = 0
    for run_id, end in zip(ends.values.to_pylist(), ends.run_ends.to_pylist(), strict=True):
        yield run_id, table.slice(start, end - start)
        start = end
