"""Where Snakemake keeps its copies of an object storage's files: in this folder's own results."""

import os
from pathlib import Path

from actstudy.contract import store
from actstudy.contract.errors import StudyError


def join(copies: Path) -> None:
    """Makes the folder of Snakemake's copies a link to `results`, so that a file has one path.

    copies: below `.snakemake/storage`. StudyError if other files are in its place.
    """
    store.RESULTS.mkdir(exist_ok=True)
    copies.parent.mkdir(parents=True, exist_ok=True)
    try:
        copies.symlink_to(os.path.relpath(store.RESULTS.resolve(), copies.parent.resolve()))
    except FileExistsError:
        if copies.resolve() != store.RESULTS.resolve():
            raise StudyError(
                f"{copies}: got other files; allowed: a link to {store.RESULTS}; to fix: remove "
                "it, as its files are in the storage"
            ) from None
