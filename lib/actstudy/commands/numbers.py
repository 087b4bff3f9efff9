"""Numbers that flags state: margins, one or per task, and values."""

import argparse
import math

from actstudy.contract.errors import StudyError


def margin_of(texts: list[str]) -> float | dict[str, float]:
    """One margin, or one per task."""
    if len(texts) == 1 and "=" not in texts[0]:
        return positive(texts[0])
    margins = {}
    for text in texts:
        task, equals, number = text.rpartition("=")
        if not equals or not task:
            raise StudyError(
                f"command line: --margin: got {text!r:.60}; allowed: one number, or TASK=NUMBER "
                "for each task"
            )
        margins[task] = positive(number)
    return margins


def number_of(text: str) -> float:
    """The number of a flag's text, NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def positive(text: str) -> float:
    """A margin from a flag's text."""
    number = number_of(text)
    if not 0 < number < math.inf:
        raise StudyError(f"command line: --margin: got {text!r:.60}; allowed: a number above 0")
    return number


def finite(text: str) -> float:
    """A finite number from a flag's text."""
    number = number_of(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a number")
    return number
