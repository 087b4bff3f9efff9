"""The folder of the project: where its files are, what it may be called, whose code runs in it."""

import os
from collections.abc import Iterable
from pathlib import Path

import actstudy
from actstudy.contract import errors
from actstudy.contract.errors import StudyError

PACKAGE = Path(actstudy.__file__).parent
SHIPPED = PACKAGE / "shipped"  # what a wheel brings of a clone: embedded data, the default study
IS_CLONE = not SHIPPED.is_dir()
ROOT = PACKAGE.resolve().parents[1] if IS_CLONE else SHIPPED  # of config/ and data/embedded/
DEFAULT_STUDY = Path("config/config.yaml")  # the study without a name
RAW = (ROOT if IS_CLONE else Path.cwd()) / "data/raw"
MAX_WORD = 130_000  # characters of a word on a command line: Linux allows 128 KiB
MAX_COMMAND = 60_000  # of a command: Snakemake runs one above 64 KiB as a file


def source_of(file: Path) -> Path:
    """Where a study file, or a folder of claims, is: as named, else the project's `config/...`."""
    shipped = ROOT / file
    is_own = file.parts[:1] == ("config",) and not file.exists()
    return shipped if is_own and shipped.exists() else file


def study_path(file: Path) -> Path:
    """How a study file is named here: from the present folder, or from the project's if it is its.

    `source_of` is the way back, so that pages and commands name no folder of the installation.
    """
    whole = file.resolve()
    if whole.is_relative_to(ROOT.resolve()) and not Path.cwd().is_relative_to(ROOT.resolve()):
        short = whole.relative_to(ROOT.resolve())
        if source_of(short).resolve() == whole:
            return short
    return Path(os.path.relpath(file))


def is_here() -> bool:
    """Whether the present folder has the workflow, so that a bare `snakemake` works in it."""
    return Path("Snakefile").is_file()


def refuse_other_code(folder: Path) -> None:
    """Prints one line and exits with status 2 if another folder's code runs in a checkout.

    An environment serves one folder. In a copy of that folder it imports the original's code.
    """
    own = folder / "lib/actstudy"
    if not own.is_dir() or not (folder / "Snakefile").is_file() or own.samefile(PACKAGE):
        return
    remedy = "make setup && . .venv/bin/activate"
    for place in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if Path(place).resolve() == PACKAGE.parent.resolve():
            remedy = "unset PYTHONPATH"
    errors.refuse(f"{folder}: got the code of {PACKAGE}; allowed: {own}; to mend: {remedy}")


def check_path(folder: Path) -> None:
    """StudyError if Snakemake would read wildcards in a folder's path: it would find no locks."""
    if set("{}") & set(str(folder)):
        raise StudyError(f"{folder}: the project's path: got braces; allowed: a path without them")


def check_words(folder: Path, words: Iterable[str]) -> None:
    """StudyError if the runs of a pack do not fit on a command line in a folder.

    words: the JSON of each pack. Snakemake names the file of a long command in double quotes, in
    which bash gives some characters of the path a meaning.
    """
    limit = MAX_WORD
    if set('"$`\\') & set(str(folder)):
        limit = MAX_COMMAND
    longest = max(map(len, words), default=0)
    if longest > limit:
        allowed = f"{limit} in {folder}; to mend: a smaller pack_width"
        raise StudyError(f"pack_width: got a pack of {longest} characters; allowed: {allowed}")
