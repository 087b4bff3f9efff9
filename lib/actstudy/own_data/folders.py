"""How a folder of data says splits: by folders called train, val and test on top, or not at all."""

from pathlib import Path

from actstudy.own_data.options import Source
from actstudy.own_data.splitting import spelled


def split_folders(source: Source) -> dict[str, Path]:
    """Split -> its folder, in any spelling; empty if the folders on top are no splits.

    StudyError if some are and others are not, or if shares or a column are asked for too.
    """
    path = source.path
    tops = _inside(path)
    names = [spelled(top.name) for top in tops]
    if not _say_splits(source, tops, names):
        return {}
    if source.split is not None:
        fault = f"split: set, and the folders {', '.join(top.name for top in tops)} say it"
        raise source.fault(f"{fault}; allowed: one of the two")
    by_split: dict[str, Path] = {}
    for name, top in zip(names, tops, strict=True):
        if str(name) in by_split:
            fault = f"folders {by_split[str(name)].name} and {top.name} are both {name}"
            raise source.fault(f"{fault}; allowed: one folder per split")
        by_split[str(name)] = top
    return by_split


def _say_splits(source: Source, tops: list[Path], names: list[str | None]) -> bool:
    """Whether the folders on top are splits; StudyError if only some are; names: split of each.

    Two of them, or a train with folders of its own, are no accident. A class may be called test.
    """
    present = set(names) - {None}
    if "train" in present and None not in names:
        return True
    by_name = dict(zip(tops, names, strict=True))
    train = [top for top in tops if by_name[top] == "train"]
    if len(present) < 2 and not any(map(_inside, train)):
        return False
    splits = ", ".join(top.name for top in tops if by_name[top])
    others = [top.name for top in tops if not by_name[top]]
    fault = f"none is train of the folders {splits}"
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        fault = f"folders {splits} are splits, and {', '.join(others[:3])}{more} not"
    raise source.fault(f"{fault}; allowed: train, val and test alone on top, or classes alone")


def _inside(path: Path) -> list[Path]:
    """The folders in a folder by name, hidden ones out."""
    return [file for file in sorted(path.iterdir()) if file.is_dir() and file.name[0] != "."]


def check_shares(source: Source) -> None:
    """StudyError if a folder's split is asked for by a column."""
    if isinstance(source.split, str):
        got = f"split: got {source.split!r}, and a folder has no columns"
        raise source.fault(f"{got}; allowed: three shares, or folders train, val and test")
