"""CSV and TSV files, long or wide."""

import csv
from pathlib import Path

from actstudy.judging.reading import tabular
from actstudy.judging.reading.options import Options
from actstudy.judging.scores import Scores
from actstudy.own_data import files, frames
from actstudy.own_data.options import Source

KIND = "csv"
MAX_HEAD = 2**20  # bytes of the first line


def recognises(path: Path) -> bool:
    """Whether a file is a CSV or TSV, by the end of its name."""
    return path.suffix.lower() in frames.CSV and path.is_file()


def read(path: Path, options: Options) -> Scores:
    """The scores of a file; StudyError, with the row, if it is damaged or not clear."""
    return tabular.scores(frame_of(path), options)


def head_of(path: Path) -> list[str]:
    """The names in the first line of a file; StudyError if it cannot be read."""
    with path.open("rb") as opened:
        line = opened.readline(MAX_HEAD)
    text = files.text(str(path), path, line).strip("\n").partition("\n")[0]
    return [name.strip() for name in next(csv.reader([text]), [])]


def frame_of(path: Path) -> frames.Frame:
    """The table in a file; a column without a name in front, which numbers rows, is left out."""
    raw = files.content(path)
    head = raw[:1].strip(b"\xef\xbb\xbf") + raw[1:4].lstrip(b"\xbb\xbf")
    without_name = head.startswith((b",", b";", b"\t", b'"",'))
    drop = ("",) if without_name else ()
    source = Source(str(path), path, drop=drop)
    try:
        return frames.read(source, raw)
    except csv.Error as error:
        raise source.fault(f"line 1: {error!s:.80}; allowed: names of columns") from None
