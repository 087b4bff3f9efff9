"""The README of a bundle: for a reviewer who has it and nothing else."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import escaped
from actstudy.analysis.page import origins
from actstudy.contract.schema import BUCKETS

TEMPLATE = Path(__file__).with_name("readme.txt")
OF_ORIGIN = ["status", "git_commit", "git_dirty", "device", "versions", "ended"]
COMMIT = re.compile("[0-9a-f]{12}")
NO_RUNS = "not in here: `actstudy bundle --runs` packs them"
NO_PAGE = "no page and no tables: the study was not whole when this was packed"
REDRAW_FROM_RUNS = """From the runs' own tables, without training, in a clone of the commit below:

```sh
$program unbundle FILE.zip         # puts the runs into results/runs/, each with its seal
$command -n         # plans data, references and tables, and no training
$command
```"""
REDRAW_FROM_TABLES = """The runs are not in here, so tables cannot be made again. Figures can, in a
clone of the commit below with this folder's `results/` in it:

```sh
python workflow/scripts/figures.py $results study page     # PART: study, or a task; page or more
```"""


def text(about: Mapping[str, Any], rows: pd.DataFrame, command: str, n_files: int) -> bytes:
    """The README; about: the manifest without its files; rows: of the runs that have ended.

    command: what runs the study; n_files: of the bundle, all of them.
    """
    has_runs = about["runs"]["in_bundle"] > 0
    made_of = provenance(rows)
    program = "python -m actstudy"
    names = {"program": program, "command": command, "results": about["results"]}
    redraw = Template(REDRAW_FROM_RUNS if has_runs else REDRAW_FROM_TABLES).substitute(names)
    return (
        Template(TEMPLATE.read_text(encoding="utf-8"))
        .substitute(
            **names,
            study=escaped(about["study"]),
            file=about["file"],
            what=what(about["runs"]),
            page=_page(about["pages"]),
            runs=_runs(about["runs"]) if has_runs else NO_RUNS,
            n_files=n_files,
            redraw=redraw,
            checkout=checkout(made_of["commits"]),
            commits=made_of["commits"],
            versions=made_of["versions"],
            hours="\n".join(hours(rows)) or "| none | 0 | 0 |",
        )
        .encode()
    )


def what(runs: Mapping[str, Any]) -> str:
    """How many of the study's runs have ended, and how, in a sentence."""
    ended = ", ".join(f"{n} {status}" for status, n in sorted(runs["ended"].items()))
    partial = "" if sum(runs["ended"].values()) == runs["planned"] else "PARTIAL: "
    return f"**{partial}{ended or 'none'} of {runs['planned']} planned runs.**"


def hours(rows: pd.DataFrame) -> Iterable[str]:
    """A row of the table per device: its runs, and their hours."""
    seconds = rows.reindex(columns=[f"{bucket}_seconds" for bucket in BUCKETS]).sum(axis=1)
    devices = rows.reindex(columns=["device"])["device"].fillna("not known")
    for device, part in seconds.groupby(devices):
        yield f"| {escaped(device)} | {len(part)} | {part.sum() / 3600:.3g} |"


def checkout(commits: str) -> str:
    """The command that brings a clone to the commit of the runs, or a comment without one."""
    names = sorted(set(COMMIT.findall(commits)))
    if len(names) == 1:
        return f"git checkout {names[0]}"
    return f"# commits: {commits}"


def _page(pages: list[str]) -> str:
    if not pages:
        return NO_PAGE
    return f"the page ({', '.join(f'`{name}`' for name in pages)}), its figures and tables"


def _runs(runs: Mapping[str, Any]) -> str:
    return f"the {runs['in_bundle']} runs that have ended: their Parquet tables, seal, spec"


def ended(rows: pd.DataFrame) -> dict[str, int]:
    """Status -> number of runs that have ended so."""
    return dict(Counter(rows["status"])) if len(rows) else {}


def provenance(rows: pd.DataFrame) -> dict[str, str]:
    """Commits, devices and versions of runs, `none` without any."""
    return origins.provenance(rows.reindex(columns=[*rows.columns.union(OF_ORIGIN)]))
