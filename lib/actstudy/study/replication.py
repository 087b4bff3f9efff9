"""The files of config/replicate that are not studies: a replica and a published table."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from actstudy.contract import errors, registry
from actstudy.contract.errors import StudyError
from actstudy.study.claims import Claims, Known, resolve
from actstudy.study.printed import read_row
from actstudy.study.reading import read
from actstudy.study.validation import validate

COMMANDS = {  # key that a file must have -> the command that reads such files
    "replica": "actstudy replicate",
    "rows": "actstudy check",
    "tasks": "actstudy run",
}
COMPARED = ("p", "d", "low")  # what a row may print beside its mean and sd; `high` is with `low`


class ReplicaFile(Known):
    """A published training that has a port in experiments/, and the numbers it gave."""

    note: str | None = Field(None, description="what the reader should know before the numbers")
    replica: Literal["mnist1d_mlp"] = Field(description="the port that trains it")
    seeds: Annotated[int, Field(strict=True, ge=1)] = Field(
        1, description="seeds 0, 1, ...; the published ones first"
    )
    claims: Claims


class Row(Known):
    """A published row; numbers are text, since their last digit shows how they were rounded."""

    mean: str
    sd: str
    n: Annotated[int, Field(strict=True, ge=2)] | None = None
    p: str | None = Field(None, description="as printed: `0.0004` or `< 0.0001`")
    d: str | None = Field(None, description="Cohen's d")
    low: str | None = Field(None, description="interval of row - baseline")
    high: str | None = None


class PublishedFile(Known):
    """A published table of means, compared row by row with a baseline."""

    note: str | None = None
    source: str
    unit: str = ""
    n: Annotated[int, Field(strict=True, ge=2)] = Field(description="runs of a row without `n`")
    level: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.95, description="of the intervals"
    )
    baseline: str
    rows: dict[str, Row] = Field(min_length=2)


def _content(file: Path, key: str) -> dict[str, Any]:
    """A file's content; StudyError if it is of another command than the one whose key is given."""
    content: dict[str, Any] = read(file)
    for other, command in COMMANDS.items():
        if other in content and key not in content:
            raise StudyError(f"{file}: got a file with `{other}`; to fix: {command} {file}")
    return content


def read_replica(file: Path) -> ReplicaFile:
    """The replica that a file describes; StudyError in one line if it is wrong."""
    content: ReplicaFile = validate(ReplicaFile, _content(file, "replica"), str(file))
    levels = {name: name for name in registry.activation_names()}
    stated = resolve(content.claims, levels, str(file))
    return content.model_copy(update={"claims": stated})


def read_published(file: Path) -> tuple[PublishedFile, list[dict[str, Any]]]:
    """A published table and its rows with that of the baseline; StudyError if it is wrong.

    A row: its name, n, and a `Printed` for each number that it prints.
    """
    table: PublishedFile = validate(PublishedFile, _content(file, "rows"), str(file))
    if table.baseline not in table.rows:
        allowed = errors.choices(table.baseline, table.rows)
        raise StudyError(f"{file}: baseline: got {table.baseline!r}; {allowed}")
    rows = []
    compared: set[str] = set()
    for name, row in table.rows.items():
        numbers = read_row(row.model_dump(exclude={"n"}), f"{file}: rows.{name}")
        rows.append({"name": name, "n": row.n or table.n, **numbers})
        if name != table.baseline:
            compared |= numbers.keys()
    if compared.isdisjoint(COMPARED):
        allowed = "p, d, or low and high in at least one row but the baseline's"
        raise StudyError(f"{file}: rows: nothing to check; allowed: {allowed}")
    return table, rows
