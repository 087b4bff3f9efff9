"""How a folder of data says splits: by folders called train, val and test on top, or not at all."""

from pathlib import Path

from actstudy.own_data.options import Source
from actstudy.own_data.splitting import SPELLINGS


def split_folders(source: Source) -> dict[str, Path]:
    """Split -> its folder, in any spelling; empty unless all folders on top are splits.

    StudyError if they are, and shares or a column are asked for too.
    """
    path = source.path
    tops = [top for top in sorted(path.iterdir()) if top.is_dir() and not top.name.startswith(".")]
    names = [SPELLINGS.get(top.name.lower()) for top in tops]
    if not tops or None in names or "train" not in names:
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


def check_shares(source: Source) -> None:
    """StudyError if a folder's split is asked for by a column."""
    if isinstance(source.split, str):
        got = f"split: got {source.split!r}, and a folder has no columns"
        raise source.fault(f"{got}; allowed: three shares, or folders train, val and test")
