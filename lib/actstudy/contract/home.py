"""What other programs ask the system for: a home that can be written, and the user's name."""

import getpass
import os
from pathlib import Path


def provide(folder: Path) -> None:
    """Gives this process and its children a home and a user's name where the system has none.

    Snakemake fails without them, as in a container whose user has no entry in /etc/passwd;
    matplotlib warns. folder: the home to make and use instead.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())
    if not _is_writable(_home()):
        os.environ["HOME"] = str(_make(folder))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")
    if not _is_writable(cache):
        os.environ["XDG_CACHE_HOME"] = str(_make(folder))


def _home() -> Path:
    """The user's home; the relative path `~` if none is known."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("~")


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself if it is missing."""
    if folder.is_absolute():
        for place in (folder, *folder.parents):
            if os.access(place, os.F_OK):
                return os.access(place, os.W_OK | os.X_OK)
    return False


def _make(folder: Path) -> Path:
    """The folder as an absolute path, made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
