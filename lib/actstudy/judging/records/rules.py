"""The rule file of a published table: which columns it has, and what it takes for granted."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from actstudy.study.claims import Known, Number
from actstudy.study.reading import read
from actstudy.study.validation import validate

Positive = Annotated[float, Field(strict=True, gt=0)]
Name = Annotated[str, Field(strict=True, min_length=1)]


class Columns(Known):
    """The columns of a table."""

    entry: Name = Field(description="what an entry is called")
    mean: Name = Field(description="mean over its runs")
    n: Name = Field(description="number of its runs")
    record: Name | None = Field(None, description="1 if it was a record; without it all are")
    cost: Name | None = Field(None, description="what it takes, such as steps")


class Exchange(Known):
    """How much of the mean an amount of cost is worth."""

    cost: Positive
    mean: Positive


class Rules(Known):
    """What is known of a published table of which later entries claim to beat earlier ones.

    sigma: the standard deviation of a single run, the same for all entries. threshold: of the
    table's own formula, gain / sqrt(1 / n1 + 1 / n2). target: what a valid entry must beat, with
    the same threshold. rounding: by how much a printed mean may be off.
    """

    title: Name
    source: Name
    columns: Columns
    lower_is_better: bool = Field(strict=True)
    sigma: Positive
    exchange: Exchange | None = None
    threshold: Positive | None = None
    target: Number | None = None
    rounding: Annotated[float, Field(strict=True, ge=0)] = 0.0


def read_rules(file: Path) -> Rules:
    """The rules in a YAML file; StudyError, with the key, if they are not valid."""
    content = read(file, "a mapping of keys, columns among them")
    rules: Rules = validate(Rules, content, str(file))
    return rules
