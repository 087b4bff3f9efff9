"""Own data by their name: read once, described as a literal DATASET is, read again as arrays.

The name has 12 hex digits of the SHA-256 of all bytes and of every key by which they are read, and
nothing of the path.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.contract import own_data, store
from actstudy.contract.errors import StudyError, visible
from actstudy.contract.own_data import Known
from actstudy.own_data import files, frames, images, options, tables, texts
from actstudy.own_data.content import Arrays, Content
from actstudy.own_data.options import Source

READING = 1  # raise it when the same bytes are read otherwise: every name changes with it
NOTES = store.DATA / ".own"  # what is known of files that have been prepared, by path and keys
SETTLED = 2 * 10**9  # nanoseconds since the last change from which a file's time says its content
_described: dict[str, tuple[str, Known]] = {}  # of this process: path, keys and stamp -> name
_stamps: dict[str, str] = {}  # of this process: name -> stamp before its arrays were read


def describe(value: str | Mapping[str, Any]) -> str:
    """The name of own data; what they hold is read if it is not known yet.

    value: what a study says of them. StudyError, in one line, if they cannot be read.
    """
    source = options.source(value)
    _check_place(source)
    key = _key(source)
    stamp = _settled_stamp(source)
    described = None
    if stamp:
        described = _described.get(f"{key} {stamp}") or _noted(source, key, stamp)
    if described is None:
        described = _declared(source, _read(source, whole=False))
    if stamp:
        _described[f"{key} {stamp}"] = described
    own_data.remember(*described)
    return described[0]


def splits(name: str) -> dict[str, Arrays]:
    """The arrays of own data, read again; StudyError if they are others by now."""
    known = own_data.known(name)
    if known is None:
        raise StudyError(f"{name}: own data whose files are not known; allowed: --source")
    source = options.source(known.value)
    stamp = _settled_stamp(source)  # before they are read: what is written meanwhile changes it
    content = _read(source, whole=True)
    present, _ = _declared(source, content)
    check_name(name, present, source.name)
    _stamps[name] = stamp
    return content.splits


def check_name(planned: str, present: str, path: str) -> None:
    """StudyError if own data have another name, and so another content, than was planned."""
    if planned != present:
        fault = f"{path}: the content has changed since the study was planned ({planned})"
        raise StudyError(f"{fault}; to fix: run snakemake again, which plans runs on the new one")


def note(name: str) -> None:
    """Write down what is known of own data, so that the next plan reads no file that is the same.

    Done when they are prepared, with the stamp from before they were read; a command that only
    looks writes nothing.
    """
    known = own_data.known(name)
    stamp = _stamps.get(name)
    if known is None or not stamp:
        return
    content = {"stamp": stamp, "name": name, **dataclasses.asdict(known)}
    store.write_json(NOTES / f"{_key(options.source(known.value))}.json", content)


def _noted(source: Source, key: str, stamp: str) -> tuple[str, Known] | None:
    """The name of data that have been prepared from the same files; None if there is no note."""
    content = store.read_note(NOTES / f"{key}.json", None)
    if not isinstance(content, dict) or content.get("stamp") != stamp:
        return None
    known = Known(content["declared"], options.as_value(source), content["train_size"])
    return str(content["name"]), known


def _settled_stamp(source: Source) -> str:
    """The stamp of the files; empty if one has just been written, so that its time says little."""
    stamp, newest = files.stamp(source.path)
    return stamp if abs(time.time_ns() - newest) > SETTLED else ""


def _key(source: Source) -> str:
    text = json.dumps([READING, options.as_value(source)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(source: Source, whole: bool) -> Content:
    """The content of a file or folder by what it is: a table, images or text.

    whole: with the arrays of images, which take the longest.
    """
    if source.path.is_file():
        if frames.is_table(source):
            _check_kind(source, "table", "passages")
            return tables.read(source)
        _check_kind(source, "text")
        return texts.read(source)
    listed = files.listed(source.path)
    if not listed:
        raise source.fault("an empty folder; allowed: images in class folders, or text files")
    if source.kind == "images" or (not source.kind and any(map(images.is_image, listed))):
        return images.read(source, whole)
    _check_kind(source, "text", "images")
    return texts.read(source)


def _check_place(source: Source) -> None:
    """StudyError if data would change with each result that is written among them."""
    if Path.cwd().is_relative_to(source.path):
        fault = "holds the present folder, where results are written"
        raise source.fault(f"{fault}; allowed: a folder of data alone")


def _check_kind(source: Source, *kinds: str) -> None:
    if source.kind not in (None, *kinds):
        fault = f"kind: got {source.kind!r} for {source.path.name}"
        raise source.fault(f"{fault}; allowed: {' or '.join(kinds)}")


def _declared(source: Source, content: Content) -> tuple[str, Known]:
    """The name of data, and what is known of them."""
    fingerprint = files.fingerprint(content.sums)
    how = _as_json({"kind": content.kind, **content.how})
    digest = hashlib.sha256(json.dumps([READING, fingerprint, how], sort_keys=True).encode())
    about: dict[str, Any] = {"fingerprint": fingerprint, "read": how}
    if content.class_names:
        about["class_names"] = content.class_names
    declared: dict[str, Any] = {
        "title": _title(source.path),
        "kind": content.kind,
        "version": 1,
        "source": f"own data: {visible(source.path.name)}",
        "licence": source.licence or "not stated",
    }
    if content.shape:
        declared["shape"] = content.shape
    if content.class_names:
        declared["classes"] = len(content.class_names)
    if content.is_number:
        declared["target"] = "number"
    declared["own"] = _as_json({**about, **content.about})
    name = f"{own_data.PREFIX}{digest.hexdigest()[:12]}"
    return name, Known(declared, options.as_value(source), content.train_size)


def _title(path: Path) -> str:
    return visible(path.stem if path.is_file() else path.name)


def _as_json(value: Any) -> Any:
    """The value with lists for tuples, as JSON gives it back."""
    return json.loads(json.dumps(value))
