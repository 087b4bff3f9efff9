"""Numbers as printed in a published table: what was rounded or cut away, and what is no number."""

import re
from dataclasses import dataclass

from actstudy.contract.errors import StudyError

NUMBERS = ("mean", "sd", "p", "d", "low", "high")  # of a published row
NOT_SIGNIFICANT = 0.05  # `n.s.` states a p above it
MINUS_SIGNS = str.maketrans("−–", "--")  # as journals print them
BOUNDS = {"≤": "<", "<=": "<", "≥": ">", ">=": ">", "=": ""}
PATTERN = re.compile(
    r"(?P<bound>[<>]=?|[≤≥=])? *"
    r"(?P<digits>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?)"
    r" *(?P<unit>%)?[*†‡]*",
    re.IGNORECASE,
)
NUMBER = 'a number as printed, in quotes, such as "87.50"'
ALLOWED = {
    "mean": f'{NUMBER} or "87.50%"',
    "sd": f'{NUMBER} or "0.36%", not negative',
    "p": '"0.0007", "0.0007*", "< 0.001", "> 0.05" or "n.s.", from 0 to 1',
    "d": NUMBER,
    "low": f"{NUMBER}, at most `high`, and printed with it",
    "high": f"{NUMBER}, at least `low`, and printed with it",
}
Range = tuple[float, float]  # from the smallest to the largest value that is possible


@dataclass(frozen=True)
class Printed:
    """A printed number: its value, one unit of its last digit, and `<` or `>` if it is a bound."""

    text: str
    value: float
    last_digit: float
    bound: str = ""

    def rounded(self) -> Range:
        """The numbers that round to this one: half a unit of the last digit to either side."""
        return self.value - self.last_digit / 2, self.value + self.last_digit / 2

    def cut(self) -> Range:
        """The numbers of which this one is the first digits: up to a unit further from zero."""
        low = self.value
        high = self.value
        if self.value <= 0:
            low -= self.last_digit
        if self.value >= 0:
            high += self.last_digit
        return low, high


def read_printed(text: str, key: str) -> Printed:
    """A printed number of a row; ValueError with what is allowed for `key` (one of NUMBERS)."""
    plain = text.translate(MINUS_SIGNS).strip()
    if key == "p" and re.fullmatch(r"n\.? ?s\.?", plain, re.IGNORECASE):
        return Printed(text, NOT_SIGNIFICANT, 0.0, ">")
    match = PATTERN.fullmatch(plain)
    if match is None:
        raise ValueError(ALLOWED[key])
    mantissa, _, exponent = match["digits"].lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    value = float(match["digits"])
    bound = BOUNDS.get(match["bound"] or "", match["bound"] or "")
    wrong_sign = key in ("sd", "p") and value < 0
    above_one = key == "p" and value > 1
    no_bound_here = key != "p" and match["bound"]
    no_unit_here = key in ("p", "d") and match["unit"]
    if wrong_sign or above_one or no_bound_here or no_unit_here or abs(value) == float("inf"):
        raise ValueError(ALLOWED[key])
    return Printed(text, value, 10.0**-decimals, bound)


def read_row(row: dict[str, str | None], where: str) -> dict[str, Printed]:
    """The printed numbers of a row by key; StudyError in one line if one cannot be read.

    row: texts, None where nothing is printed; where: the file and the row, for the message.
    """
    numbers = {}
    for key in NUMBERS:
        text = row.get(key)
        if text is None:
            continue
        try:
            numbers[key] = read_printed(text, key)
        except ValueError as error:
            raise StudyError(f"{where}.{key}: got {text!r}; allowed: {error}") from None
    for key, other in (("low", "high"), ("high", "low")):
        if key in numbers and other not in numbers:
            raise StudyError(f"{where}.{other}: got nothing; allowed: {ALLOWED[other]}")
    if "low" in numbers and numbers["low"].value > numbers["high"].value:
        got = f"got {row['low']!r}, above `high`, {row['high']!r}"
        raise StudyError(f"{where}.low: {got}; allowed: {ALLOWED['low']}")
    return numbers
