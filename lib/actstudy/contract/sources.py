"""What prepared arrays were made from, and what the runs of a data set's version trained on.

Beside a manifest, `source.json` says which files and which code the arrays were made from. The
first run on a version of a data set pins it: `.known/NAME/VERSION.json`, beside the folders of all
data sets, holds that manifest and its source. So one name and version stand for one content.
"""

import contextlib
import errno
import hashlib
import json
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from actstudy.contract import code, invocation, own_data, registry, store
from actstudy.contract.checkout import RAW, ROOT
from actstudy.contract.store import Damaged

SOURCE = "source.json"
KNOWN = ".known"
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
MAX_FILES = 1000  # noted of a data set: each start of a run looks at all of them
READER_KEYS = ("title", "source", "licence", "paper", "files", "archive")  # of a manifest
Content = dict[str, Any]


def describe(dataset: str, opened: Iterable[Path]) -> Content:
    """The content of `source.json`: the code of a data set, and the files that it was made from.

    opened: files that its `prepare()` has read; those that it declares are added. Of more than
    MAX_FILES, such as a folder of images, every second, third, ... by name is noted.
    """
    declared = [RAW / file for file in registry.dataset(dataset).get("files", {})]
    paths = sorted({*opened, *filter(Path.is_file, declared)})
    step = math.ceil(len(paths) / MAX_FILES) or 1
    return {"code": code.of_data(dataset), "files": [_entry(path) for path in paths[::step]]}


def _entry(path: Path) -> Content:
    return {"path": _name(path), **_stat(path), "sha256": store.sha256(path)}


def _name(path: Path) -> str:
    """The path from the project's folder on; of a file elsewhere the whole path."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _stat(path: Path) -> Content:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def check(folder: Path, name: str) -> None:
    """Damaged if prepared data are not of their data set as it is now.

    That is its version, its code, and those raw files that are still there. Data prepared before
    sources were noted have none to compare. Without the arrays, what its runs trained on counts.

    folder: of the data, which need not be there; name: of the data set.
    """
    manifest = store.read_note(folder / store.MANIFEST, None)
    source = store.read_note(folder / SOURCE, None)
    again = f"rm -r {folder}"
    if isinstance(manifest, dict):
        check_version(manifest, folder)
    else:
        source = (_pinned(folder, name) or {}).get("source")
        again = f"{invocation.program()} prepare {folder.name} {folder}"
    if source is None:
        return
    changed = _changed_code(source, name) or _changed_file(source)
    if changed:
        fault = f"{changed} has changed since {folder} was prepared from it"
        raise Damaged(
            f"{fault}; to fix: put the old one back, or {_renew(name)}, or, if the arrays come out "
            f"the same, {again}"
        )
    _note_times(folder, source)


def check_version(manifest: Content, folder: Path) -> None:
    """Damaged if a manifest is of another version than its data set's file."""
    if "own" in manifest:  # its name says its content
        return
    version = registry.dataset(manifest["dataset"])["version"]
    if manifest["version"] != version:
        raise Damaged(
            f"{folder / store.MANIFEST} is of version {manifest['version']}, "
            f"the data set's file of {version}; "
            f"to fix: rm -r {folder}, then start the study again"
        )


def _changed_code(source: Content, name: str) -> str | None:
    present = code.of_data(name)
    for piece in sorted({*present, *source["code"]}):
        if present.get(piece) != source["code"].get(piece):
            return f"lib/actstudy/{piece}"
    return None


def _changed_file(source: Content) -> str | None:
    """The first file whose content has changed; one that is gone has not."""
    for entry in source["files"]:
        path = ROOT / entry["path"]
        if not path.is_file() or {**entry, **_stat(path)} == entry:
            continue
        if path.stat().st_size != entry["size"] or store.sha256(path) != entry["sha256"]:
            return str(entry["path"])
    return None


def _note_times(folder: Path, source: Content) -> None:
    """Note the new times of files with their old content, so that these are read only once."""
    files = []
    for entry in source["files"]:
        path = ROOT / entry["path"]
        files.append({**entry, **_stat(path)} if path.is_file() else entry)
    if files != source["files"] and (folder / SOURCE).is_file():
        with contextlib.suppress(OSError):  # of a folder that may only be read
            store.write_json(folder / SOURCE, {**source, "files": files})


def settled(folder: Path, manifest: Content) -> Content:
    """The manifest of data that have just been prepared: that of its runs, if they have the same.

    Damaged if runs of the same version were trained on another content.
    """
    pinned = _pinned(folder, manifest["dataset"])
    if pinned is None:
        return manifest
    if _content(pinned["manifest"]) == _content(manifest):
        return dict(pinned["manifest"])
    raise Damaged(
        f"{folder}: the arrays are others than those that runs of version {manifest['version']} "
        f"were trained on; to fix: {_renew(manifest['dataset'])}, "
        "or put the old files back"
    )


def pin(folder: Path) -> None:
    """Note what the runs of a data set's version are trained on; Damaged if others had else.

    Data that this user may only read get no note; each run's row has their hash all the same.
    """
    manifest = store.read_note(folder / store.MANIFEST, None)
    if manifest is None:
        return
    record = {
        "manifest": settled(folder, manifest),
        "source": store.read_note(folder / SOURCE, None),
    }
    if record == _pinned(folder, manifest["dataset"]):
        return
    try:
        store.write_json(_pin_path(folder, manifest["dataset"]), record)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise


def check_run(run: Path, folder: Path) -> None:
    """Damaged if a run that has ended was trained on other data than a folder holds, if it does."""
    if fault := other_data(store.summary_row(run)["data_sha256"], folder):
        raise Damaged(f"{run} {fault}; to fix: {invocation.program()} retry {run}")


def other_data(trained_on: str | None, folder: Path) -> str:
    """What a run was trained on instead of a folder's data, empty if they are these or not there.

    trained_on: the `data_sha256` of its row.
    """
    manifest = folder / store.MANIFEST
    if trained_on is None or not manifest.is_file():
        return ""
    present = store.sha256(manifest)
    if trained_on == present:
        return ""
    return (
        f"was trained on other data (sha {trained_on[:12]}) than {folder} holds "
        f"(sha {present[:12]})"
    )


def pins(
    name: str, trained_on: Collection[str | None], root: Path = store.DATA
) -> dict[str, Content]:
    """Version -> the manifest that runs of it were pinned to, of those that runs were trained on.

    name: of the folder of prepared data; trained_on: the `data_sha256` of the runs' rows.
    """
    manifests: dict[str, Content] = {}
    for path in sorted((root / KNOWN / name).glob("*.json")):
        record = store.read_note(path, None)
        manifest: Content = record.get("manifest") or {} if isinstance(record, dict) else {}
        text = store.json_text(manifest).encode()
        if hashlib.sha256(text).hexdigest() in trained_on:
            manifests[path.stem] = manifest
    return manifests


def pin_of(name: str, version: str, manifest: Content, root: Path = store.DATA) -> Path | None:
    """Where a manifest is to be pinned, None if it is; Damaged if runs here had other data.

    name: of the folder of prepared data; version: of the data set. What is pinned (`pinned_as`)
    holds a later preparation to this manifest.
    """
    path = root / KNOWN / name / f"{version}.json"
    record = store.read_note(path, None)
    if record is None:
        return path
    if _content(record["manifest"]) == _content(manifest):
        return None
    raise Damaged(f"{path}: runs here were trained on other data of this version")


def pinned_as(manifest: Content) -> Content:
    """The record of a manifest whose source is not on this machine."""
    return {"manifest": manifest, "source": None}


def _pinned(folder: Path, name: str) -> Content | None:
    pinned: Content | None = store.read_note(_pin_path(folder, name), None)
    return pinned


def _pin_path(folder: Path, name: str) -> Path:
    version = registry.dataset(name)["version"]
    return folder.parent / KNOWN / folder.name / f"{version}.json"


def _content(manifest: Content) -> str:
    """A manifest without what is for readers, as JSON."""
    content = {key: value for key, value in manifest.items() if key not in READER_KEYS}
    return json.dumps(content, sort_keys=True)


def _renew(name: str) -> str:
    """What makes new runs of data that have changed, in words."""
    if own_data.is_name(name):
        return "run snakemake again, which plans new runs on the new content"
    return f"raise `version` in lib/actstudy/data/sets/{name}.py (new runs)"
