"""An object storage at a start: where copies of its files are, what it keeps, what it is to lose.

Copies are in this folder's own results. Objects are those of a storage plug-in of Snakemake.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from actstudy.contract import sealed, store
from actstudy.contract.errors import StudyError

KEYS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and --storage-s3-endpoint-url"


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


@contextlib.contextmanager
def reaching(prefix: str) -> Iterator[None]:
    """Has every fault of a storage be a StudyError, which names its prefix and what reaches it."""
    try:
        yield
    except Exception as fault:
        if not _is_of_storage(fault):
            raise
        why = " ".join(f"{type(fault).__name__}: {fault}".split())
        raise StudyError(
            f"{prefix}: {why}; to fix: {KEYS} that reach the storage, then the same command"
        ) from None


def _is_of_storage(fault: Exception) -> bool:
    """Whether a fault comes from a storage, by the package of its class."""
    packages = {kind.__module__.partition(".")[0] for kind in type(fault).mro()}
    return bool(packages & {"boto3", "botocore", "snakemake_interface_common"})


def keep_objects(kind: Any) -> None:
    """Has no job that fails remove an object: it was there before, as only good jobs store theirs.

    kind: the class of a storage's objects. Snakemake would remove those of a job's other runs too.
    """
    kind.managed_remove = _remain


async def _remain(_object: Any) -> None:
    """In the place of `managed_remove`."""


def remove_cleared(runs: Path, object_of: Callable[[Path], Any]) -> None:
    """Removes the archives of runs that are to be trained again. object_of: path -> object."""
    for note in sealed.cleared(runs):
        archive = object_of(note.with_name(sealed.NAME))
        if archive.exists():
            archive.remove()
        note.unlink()


def remove_half(folder: Path, data: Any) -> bool:
    """Removes prepared data of which a cut upload has left a part; whether it did.

    folder: of the data on this disk, whose manifest goes as well if a file is missing there, so
    that they are prepared again. data: their object in an S3 storage.
    """
    if not data.bucket_exists():
        return False
    items = {item.key.removeprefix(f"{data.key}/"): item for item in data.get_subkeys()}
    if not items or _is_whole(items):
        return False
    for item in items.values():
        item.delete()  # data.remove() would remove an empty bucket
    manifest = folder / store.MANIFEST
    names = store.read_note(manifest, {}).get("sha256", {})
    if not all((folder / name).is_file() for name in names):
        manifest.unlink(missing_ok=True)
    return True


def _is_whole(items: dict[str, Any]) -> bool:
    """Whether the manifest is there, and each file that it names. items: name -> object."""
    if store.MANIFEST not in items:
        return False
    try:
        manifest = json.loads(items[store.MANIFEST].get()["Body"].read())
        return set(manifest["sha256"]) <= set(items)
    except (ValueError, KeyError, TypeError):  # what it holds is no manifest
        return False
