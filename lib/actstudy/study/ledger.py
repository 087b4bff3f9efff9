"""The claims of guides: a folder whose files map ids to claims, read and checked."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from actstudy.contract import checkout, errors, measurement_arguments, measurements
from actstudy.contract.errors import StudyError
from actstudy.study.bounds import Bound
from actstudy.study.claims import Known
from actstudy.study.reading import read
from actstudy.study.validation import validate

ID = r"[A-Za-z][A-Za-z0-9_]{0,39}"
PLACEHOLDER = re.compile(r"\{([^{}@]+?)(?:\s*@\s*([^{}]+?))?\}")  # of a note: {value @ condition}


def _text(value: Any) -> str:
    """A text that is not empty; numbers have quotes, as their digits are those of the guide."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("text, numbers in quotes")
    return value


def _id(name: str) -> str:
    """The id of a claim, which commands name."""
    if not re.fullmatch(ID, name):
        raise StudyError(f"got {name!r}; allowed: letters, digits and _, a letter first")
    return name


def _measurement(measure: Any) -> Any:
    """A mapping of one measurement to its arguments."""
    if not isinstance(measure, dict) or len(measure) != 1:
        raise ValueError("one measurement: {NAME: {ARGUMENT: VALUE}}")
    return measure


Text = Annotated[str, BeforeValidator(_text)]


class Claim(Known):
    """What a guide says, and what must be measured for it to hold."""

    section: Text = Field(description="of the guide")
    claim: Text = Field(description="what it says, in the project's words")
    claimed: Text = Field(description="its number or order, as printed")
    measure: Annotated[dict[str, dict[str, Any] | None], BeforeValidator(_measurement)] | None = (
        Field(None, description="one measurement: its arguments")
    )
    holds_if: dict[str, Bound] | None = Field(
        None, description="value -> its bound; all must hold", min_length=1
    )
    shows: list[Text] = Field([], description="values that pages show; those of holds_if")
    note: Text | None = Field(None, description="why it holds or not; {value} is its number")
    headline: bool = Field(False, strict=True, description="among the claims that most meet")
    unexpected: bool = Field(False, strict=True, description="the verdict surprises; has a note")
    unmeasurable: Text | None = Field(None, description="why, instead of measure and holds_if")

    @model_validator(mode="after")
    def _check_parts(self) -> "Claim":
        for key in ("measure", "holds_if"):
            has_key = getattr(self, key) is not None
            if has_key == (self.unmeasurable is not None):
                got = f"{key} with unmeasurable" if has_key else f"no {key}"
                raise StudyError(f"got {got}; allowed: measure and holds_if, or unmeasurable")
        if self.unexpected and not self.note:
            raise StudyError("got unexpected without note; allowed: a note that explains it")
        return self


class Claims(BaseModel):
    """A file of a ledger."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    claims: dict[Annotated[str, AfterValidator(_id)], Claim] = Field(min_length=1)


def topic_of(file: Path) -> str:
    """The topic of a file's claims: `gradient_flow_2.yaml` has those of `gradient flow`."""
    return re.sub(r"_\d+$", "", file.stem).replace("_", " ")


def files_of(folder: Path) -> list[Path]:
    """The files of a ledger, or the one that is named; StudyError if there are none."""
    source = checkout.source_of(folder)
    if source.is_file():
        return [source]
    files = sorted(source.glob("[!.]*.yaml"))
    if not files:
        raise StudyError(f"{folder}: no claims; allowed: a folder with files of claims, *.yaml")
    return files


def read_ledger(folder: Path) -> dict[str, dict[str, Any]]:
    """Id -> claim, in the order of files and of each file; StudyError in one line if one is wrong.

    A claim has the keys of its file, `topic` and `file`; a measured one also `group`, `kind` and
    `arguments` as JSON.
    """
    claims: dict[str, dict[str, Any]] = {}
    for file in files_of(folder):
        content = _content(file)
        for key, claim in content.items():
            where = f"{file}: {key}"
            if key in claims:
                raise StudyError(f"{where}: also in {claims[key]['file']}; allowed: each id once")
            stated = claim.model_dump(exclude_unset=True)
            stated |= {"topic": topic_of(file), "file": file.name}
            if claim.measure:
                stated |= request_of(claim.measure, f"{where}: measure")
            claims[key] = stated
    return claims


def _content(file: Path) -> dict[str, Claim]:
    """The claims of a file; faults name it and the id."""
    try:
        content = {"claims": read(file, "a mapping of ids to claims")}
        claims: Claims = validate(Claims, content, str(file))
    except StudyError as fault:
        raise StudyError(str(fault).replace(": claims.", ": ", 1)) from None
    return claims.claims


def request_of(measure: Mapping[str, dict[str, Any] | None], where: str) -> dict[str, str]:
    """Group, kind and arguments as JSON of a measurement; StudyError if it is none."""
    ((name, arguments),) = measure.items()
    kinds = measurements.kinds()
    if name not in kinds:
        line = f"{where}: unknown measurement {name!r}; {errors.choices(name, kinds)}"
        raise StudyError(f"{line}; all of them: actstudy measure --list")
    arguments = arguments or {}
    measurement_arguments.check(name, arguments, f"{where}.{name}")
    return {"group": kinds[name].group, "kind": name, "arguments": measurements.to_json(arguments)}


def requests(claims: Mapping[str, Mapping[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """Group -> its requests (kind, arguments as JSON), each once, in the order of the claims."""
    by_group: dict[str, dict[tuple[str, str], None]] = {}
    for claim in claims.values():
        if "kind" in claim:
            request = (claim["kind"], claim["arguments"])
            by_group.setdefault(claim["group"], {})[request] = None
    return {group: list(several) for group, several in by_group.items()}
