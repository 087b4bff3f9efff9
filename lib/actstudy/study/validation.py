"""Content of files checked against pydantic models; every fault is one line."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from actstudy.contract import errors
from actstudy.contract.errors import StudyError
from actstudy.study.config import RunFields, StudyFile, TaskBlock

TYPE_NAMES = (  # parts of pydantic's path to a fault that are not keys
    r"int|float|str|bool|(constrained|list|dict|tuple|function|nullable|union|literal|lax)\W.*"
)


def validate(model: type[BaseModel], content: Mapping[str, Any], source: str) -> Any:
    """An instance of the model with some content; StudyError with one fault if it is not valid."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"{source}: {_explain(_deepest(error), model)}") from None


def _deepest(error: ValidationError) -> ErrorDetails:
    """The fault to name, as a value that fits none of the types that a key may have has several.

    A missing key is named only if nothing else is wrong. Then deeper faults come first, and of
    those equally deep a wrong value before a wrong type: `seeds: 0` is not a list, but neither is
    it 1 or more, which is named. The first of equals is named.
    """

    def rank(fault: ErrorDetails) -> tuple[bool, int, bool]:
        is_present = fault["type"] != "missing"
        return is_present, len(fault["loc"]), not fault["type"].endswith("_type")

    return max(error.errors(), key=rank)


def _explain(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """A fault as `tasks.mlp.depth: got 0; allowed: greater than or equal to 1`."""
    path = [str(part) for part in fault["loc"] if not re.fullmatch(TYPE_NAMES, str(part))]
    path = path or ["file"]
    key = ".".join(path)
    if fault["type"] == "extra_forbidden":
        hint = _place_of_run_field(path, fault["input"], model)
        return f"{key}: unknown key; {hint or errors.choices(path[-1], _keys(path, model))}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = message.replace("a valid boolean", "true or false").replace("a valid n", "a n")
    if not message.startswith(("unknown", "did you mean", "allowed")):
        if isinstance(fault.get("ctx", {}).get("error"), StudyError):  # a sentence, of own code
            return f"{key}: {message}"
        message = f"allowed: {message}"
    if fault["type"] == "literal_error":
        message = errors.nearest(fault["input"], re.findall(r"'(.*?)'", message)) + message
    return f"{key}: got {repr(fault['input'])[:200]}; {message}"


def _place_of_run_field(path: list[str], value: Any, model: type[BaseModel]) -> str:
    """Where a field of runs belongs that is at the top of a study file, else empty."""
    if len(path) > 1 or model is not StudyFile:
        return ""
    known = [*StudyFile.model_fields, *RunFields.model_fields]
    field = errors.meant(path[0], known, errors.CLOSE)
    if field not in RunFields.model_fields:
        return ""
    is_compared = isinstance(value, list) or field == "activation"
    place = "axes" if is_compared else "defaults"
    return f"did you mean {place}: {{{field}: ...}}? allowed there, and below tasks"


def _keys(path: list[str], model: type[BaseModel]) -> Iterable[str]:
    """The keys that are allowed where an unknown one was found."""
    if path[0] == "defaults":
        return RunFields.model_fields
    if path[0] == "tasks" and len(path) > 1:
        return TaskBlock.model_fields
    return model.model_fields
