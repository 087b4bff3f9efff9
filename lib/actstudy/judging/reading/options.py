"""What a user says of a source: which columns, and which of several values counts."""

from dataclasses import dataclass

from actstudy.contract.errors import StudyError, choices

FIXED = ("last", "best", "mean")
ENDS = ("min", "max")
NOT_FINITE = "nan"  # of `diverged`: all runs whose value is no finite number
NOT_MADE = "none"  # of `diverged`: no run, those with an empty value were never made
PICKS = "last, best, mean, min:NAME, max:NAME"


@dataclass(frozen=True)
class Options:
    """How a source is read; what is None is taken from the source, and said.

    value, level, seed, task, group, diverged, step: names of columns, or of settings of tracked
    runs; diverged may be NOT_FINITE or NOT_MADE instead, which readers have as `missing`. pick:
    which of several values of a run counts: last, best, mean, or at the step at which another one
    is smallest or largest (min:NAME, max:NAME).
    run_name: how the names of runs are made, `{level}/seed{seed}`. higher_is_better: of the value,
    for `best`. kind: the reader, by its name.
    """

    value: str | None = None
    level: str | None = None
    seed: str | None = None
    task: str | None = None
    group: str | None = None
    diverged: str | None = None
    step: str | None = None
    pick: str | None = None
    run_name: str | None = None
    higher_is_better: bool = True
    kind: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Pick:
    """Which of several values of a run counts; name: the column that says at which step."""

    kind: str  # of FIXED or ENDS
    name: str = ""

    @property
    def words(self) -> str:
        """The pick as a sentence for the user."""
        sentences = {
            "last": "Of several values of a run the last one is taken.",
            "best": "Of several values of a run the best one is taken: it is chosen by the number "
            "that is judged, which favours levels with noisier curves.",
            "mean": "Of several values of a run the mean is taken.",
            "min": f"Of several values of a run the one at its smallest {self.name} is taken.",
            "max": f"Of several values of a run the one at its largest {self.name} is taken.",
        }
        return sentences[self.kind]


def pick_of(text: str) -> Pick:
    """The pick that a text names; StudyError with PICKS if there is none."""
    kind, colon, name = text.partition(":")
    if kind in ENDS and name.strip():
        return Pick(kind, name.strip())
    if kind in FIXED and not colon:
        return Pick(kind)
    raise StudyError(f"pick: got {text!r:.60}; allowed: {PICKS}")


def check_column(role: str, name: str, names: list[str], where: str) -> str:
    """The name itself; StudyError with the nearest one if it is not among names."""
    if name not in names:
        raise StudyError(f"{where}: {role}: got {name!r:.60}; {choices(name, names)}")
    return name
