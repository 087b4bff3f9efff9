"""The folder of the project: what it may be called, and whose code runs in it."""

import os
from pathlib import Path

import actstudy
from actstudy.contract.errors import StudyError

PACKAGE = Path(actstudy.__file__).parent


def check(folder: Path) -> None:
    """StudyError if another folder's code runs in a checkout of the project.

    An environment serves one folder. In a copy of that folder it imports the original's code.
    """
    own = folder / "lib/actstudy"
    if not own.is_dir() or not (folder / "Snakefile").is_file() or own.samefile(PACKAGE):
        return
    remedy = "make setup && . .venv/bin/activate"
    for place in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if Path(place).resolve() == PACKAGE.parent.resolve():
            remedy = "unset PYTHONPATH"
    raise StudyError(f"{folder}: got the code of {PACKAGE}; allowed: {own}; to mend: {remedy}")


def check_path(folder: Path) -> None:
    """StudyError if Snakemake would read wildcards in a folder's path: it would find no locks."""
    if set("{}") & set(str(folder)):
        raise StudyError(f"{folder}: the project's path: got braces; allowed: a path without them")
