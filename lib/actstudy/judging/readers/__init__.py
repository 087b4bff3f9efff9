"""Numbers of anyone's tools, read: one file per tool."""

from pathlib import Path

from actstudy.contract.errors import StudyError
from actstudy.judging.readers import delimited
from actstudy.judging.readers.options import Options
from actstudy.judging.scores import Scores

READERS = (delimited,)

__all__ = ["Options", "read"]


def read(source: Path, options: Options) -> Scores:
    """The runs of a file or folder; StudyError if no reader knows it."""
    if not source.exists():
        raise StudyError(f"{source}: no such file or folder")
    for reader in READERS:
        if reader.recognises(source):
            return reader.read(source, options)
    raise StudyError(f"{source}: no reader for it; allowed: CSV")
