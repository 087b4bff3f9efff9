"""The files of config/replicate that are no study: a published training in miniature, and a published table."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from actstudy.contract import errors, registry
from actstudy.contract.errors import StudyError
from actstudy.study.claims import Claims, Known
from actstudy.study.config import validated
from actstudy.study.reading import read


class ReplicaFile(Known):
    """A published training that has a port of its own in training/replicas.py, and the numbers it gave."""

    note: str | None = Field(None, description="what the reader should know before the numbers")
    replica: Literal["mnist1d_mlp"] = Field(description="the port that trains it")
    seeds: Annotated[int, Field(strict=True, ge=1)] = Field(
        1, description="seeds 0, 1, ...; the published ones first"
    )
    claims: Claims


class Row(Known):
    """One published row; numbers as text, since their last digit says how they were rounded."""

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
    n: Annotated[int, Field(strict=True, ge=2)] = Field(description="runs of a row that names none")
    level: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.95, description="of the intervals"
    )
    baseline: str
    rows: dict[str, Row] = Field(min_length=2)


def replica(file: Path) -> ReplicaFile:
    """The replica that a file describes; StudyError in one line where it is wrong."""
    found: ReplicaFile = validated(ReplicaFile, read(file), str(file))
    allowed = registry.activations()
    for level in found.claims.values:
        if level not in allowed:
            near = errors.nearest(level, allowed)
            raise StudyError(
                f"{file}: claims.values: got {level!r}; allowed: {', '.join(allowed)}{near}"
            )
    return found


def published(file: Path) -> tuple[PublishedFile, list[dict[str, Any]]]:
    """A published table and its rows, the baseline's among them; StudyError in one line where it is wrong."""
    found: PublishedFile = validated(PublishedFile, read(file), str(file))
    if found.baseline not in found.rows:
        near = errors.nearest(found.baseline, found.rows)
        raise StudyError(
            f"{file}: baseline: got {found.baseline!r}; allowed: {', '.join(found.rows)}{near}"
        )
    rows = [
        {"name": name, **row.model_dump(), "n": row.n or found.n}
        for name, row in found.rows.items()
    ]
    for row in rows:
        for key in ("mean", "sd", "p", "d", "low", "high"):
            _number(row[key], key, f"{file}: rows.{row['name']}")
    return found, rows


def _number(text: str | None, key: str, where: str) -> None:
    try:
        float((text or "0").lstrip("<>= "))
    except ValueError:
        raise StudyError(
            f"{where}.{key}: got {text!r}; allowed: a number as printed, in quotes"
        ) from None
