"""The rows `runs` of published runs: of their manifests, else read once and remembered.

`status` of twenty thousand runs would read 100,000 files otherwise. The manifest of a run has what
`status` asks for; of a run whose manifest is older than that, or older than its tables, they are
verified and read, and remembered for as long as the disk says the same of them
(`contract/published`). A damaged run is never remembered. The note is the user's own, in a folder
for caches, as `status` writes nothing to results; it may be deleted at any time, and of two writers
at once one's is lost without harm.
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from actstudy.contract import published, store
from actstudy.contract.manifests import SUMMARY

MIN_RUNS = 256  # of which something is remembered; fewer are read within a second
Row = dict[str, Any]  # of SUMMARY


class Rows:
    """The rows of published runs under a folder, as far as they are asked for."""

    def __init__(self, root: Path = store.RUNS) -> None:
        """root: the folder of runs."""
        name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
        self.note = caches() / "actstudy" / f"rows-{name}.json"
        self.known = self._read_note()
        self.n_read = 0  # runs that had to be read
        self._seen: dict[Path, Row] = {}  # by this object, as they were then

    def _read_note(self) -> dict[str, tuple[str, Row]]:
        """TASK/ID -> the signature of its files and its row; empty if it is another version's."""
        note = store.read_note(self.note, {})
        rows = {}
        try:
            if note["columns"] != SUMMARY:
                return {}
            for name, (signature, values) in note["runs"].items():
                rows[name] = (signature, dict(zip(SUMMARY, values, strict=True)))
        except (AttributeError, KeyError, TypeError, ValueError):  # somebody was at it
            return {}
        return rows

    def __contains__(self, folder: Path) -> bool:
        """Whether the row of a folder's run is known without reading a table."""
        return folder in self._seen or self._unread(folder) is not None

    def of(self, folder: Path) -> Row:
        """The row of a published run; Damaged if it does not verify, OSError if it is not read."""
        if folder not in self._seen:
            self._seen[folder] = self._read(folder)
        return self._seen[folder]

    def _read(self, folder: Path) -> Row:
        if row := self._unread(folder):
            return row
        name = f"{folder.parent.name}/{folder.name}"
        signature = published.signature(folder)
        self.n_read += 1
        self.known.pop(name, None)
        whole = store.summary_row(folder)
        row = {column: whole.get(column) for column in SUMMARY}
        if signature and signature == published.signature(folder):  # as it was while it was read
            self.known[name] = (signature, row)
        return row

    def _unread(self, folder: Path) -> Row | None:
        """The row of a run, of its manifest or remembered, if nothing has changed since."""
        if row := published.row(folder):
            self._seen[folder] = row
            return row
        name = f"{folder.parent.name}/{folder.name}" if self.known else ""
        if name not in self.known:
            return None
        signature, row = self.known[name]
        if signature != published.signature(folder):
            return None
        self._seen[folder] = row
        return row

    def write(self) -> None:
        """Remember what was read; without a word where this user may not write."""
        if not self.n_read or len(self.known) < MIN_RUNS:
            return
        runs = {}
        for name, (signature, row) in self.known.items():
            runs[name] = (signature, list(row.values()))
        text = json.dumps({"columns": SUMMARY, "runs": runs})
        with contextlib.suppress(OSError), store.replacing(self.note) as draft:
            draft.write_text(text, encoding="utf-8")


def caches() -> Path:
    """The folder of this user's caches, by the XDG base directory specification."""
    stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if stated.is_absolute():
        return stated
    with contextlib.suppress(RuntimeError):  # a user without a home
        return Path.home() / ".cache"
    return Path(os.devnull)
