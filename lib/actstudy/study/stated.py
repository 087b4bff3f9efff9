"""What a study states of seeds and looks, before pydantic judges of it and after."""

from typing import Any

from actstudy.contract import errors
from actstudy.contract.plan import ANYTIME


def distinct(values: list[int]) -> list[int]:
    """The seeds; ValueError if one is listed twice."""
    if len(set(values)) < len(values):
        raise ValueError("each seed once")
    return values


def number_or_list(value: Any) -> Any:
    """A value unless it is neither a whole number nor a list, of both of which others judge."""
    if value is None or isinstance(value, list) or type(value) is int:
        return value
    raise ValueError("a number of seeds from 1 on, or a list of seeds such as [0, 1, 2]")


def looks(value: Any) -> Any:
    """A value unless it is no way to look at a study; ValueError says which there are."""
    if value is None or isinstance(value, bool) or value == ANYTIME:
        return value
    raise ValueError(f"{errors.nearest(value, [ANYTIME])}allowed: true, false, {ANYTIME}")


def count_or_auto(value: Any) -> Any:
    """A whole number from 1 on, or `auto`."""
    if value == "auto" or (type(value) is int and value > 0):
        return value
    raise ValueError("auto, or a number of runs from 1 on")


def folder(name: str) -> str:
    """The name of a folder; ValueError if it is a path."""
    if name in (".", "..") or set("/\\") & set(name):
        raise ValueError("the name of a folder beside the study's file")
    return name
