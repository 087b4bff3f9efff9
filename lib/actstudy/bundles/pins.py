"""What the data of a bundle's runs must be, so that this folder's own preparation is held to it."""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from actstudy.bundles.opened import Bundle
from actstudy.bundles.seals import MALFORMED
from actstudy.contract import sources, store
from actstudy.contract.errors import StudyError

FOLDER = (store.DATA / sources.KNOWN).as_posix()
PIN = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)/([A-Za-z0-9_.-]+)\.json")


def waiting(bundle: Bundle, runs: Collection[str]) -> dict[Path, Any]:
    """File -> content of the records that are not here yet; StudyError if runs here had other data.

    runs: folders of the bundle's runs that arrive; without any, nothing is recorded.
    """
    records: dict[Path, Any] = {}
    if not runs:
        return records
    for name in bundle.inside(FOLDER):
        match = PIN.fullmatch(name)
        if not match:
            raise StudyError(f"{bundle.path}: {FOLDER}/{name}: no record of a data set's version")
        try:
            manifest = json.loads(bundle.read(f"{FOLDER}/{name}"))["manifest"]
            path = sources.pin_of(match[1], match[2], manifest)
        except store.Damaged as error:
            raise StudyError(f"{error} than those that arrive; nothing was unpacked") from None
        except MALFORMED as error:
            line = " ".join(str(error).split())
            raise StudyError(f"{bundle.path}: {FOLDER}/{name}: no record: {line:.80}") from None
        if path is not None:
            records[path] = sources.pinned_as(manifest)
    return records
