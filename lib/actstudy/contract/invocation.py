"""How the user called this program, which is how its hints call it."""

import os
import shutil
import sys
from pathlib import Path

VARIABLE = "ACTSTUDY_PROGRAM"  # hands it on to the processes of a study
AS_MODULE = "python -m actstudy"


def note() -> None:
    """Notes how this process was called, unless the process that started it has."""
    os.environ.setdefault(VARIABLE, _of(Path(sys.argv[0])))


def program() -> str:
    """`actstudy`, the path of that script, or `python -m actstudy`: what a hint begins with."""
    return os.environ.get(VARIABLE, AS_MODULE)


def _of(started: Path) -> str:
    """The same of the file that was started; by its name alone if the PATH has this very file."""
    if started.name != "actstudy":
        return AS_MODULE
    on_path = shutil.which(started.name)
    if on_path and started.is_file() and started.samefile(on_path):
        return started.name
    return str(started)
