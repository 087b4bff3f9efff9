"""Someone's own data: what a study names by a path, and what is known of them by their name.

A file or folder is read once per process (own_data/describe.py). From then on it goes by the name
`own_<12 hex of its content and of how it is read>`, which is what runs have as their `dataset`.
Pages show the stem of its file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actstudy.contract import store

PREFIX = "own_"
NAME = re.compile(PREFIX + "[0-9a-f]{12}")
MAX_LABEL = 40  # letters of a label, without digits that tell it from another
KEYS = ("title", "kind", "version", "source", "licence", "shape", "classes", "target", "own")
TOKENS = "vocabulary"  # a key of manifests of tokenised text, whose shape is the context


@dataclass(frozen=True)
class Known:
    """What this process knows of own data: their declaration, and what a study says of them.

    declared: the keys of a literal DATASET, and `own`; value: the study's mapping, its path whole;
    train_size: examples of the train split, None of running text.
    """

    declared: dict[str, Any]
    value: dict[str, Any]
    train_size: int | None


_known: dict[str, Known] = {}  # by name, of this process
_folders: list[Path] = [store.DATA]  # that hold prepared data


def is_own(value: object) -> bool:
    """Whether a `dataset` is someone's own: a mapping, or a text with a slash or a point in it."""
    return isinstance(value, Mapping) or (isinstance(value, str) and bool(set("/.") & set(value)))


def is_name(name: str) -> bool:
    """Whether a name may be one of own data."""
    return bool(NAME.fullmatch(name))


def labels(names: Iterable[str], registered: Iterable[str] = ()) -> dict[str, str]:
    """Own data -> what a study shows for them: the stem of their file, in letters, digits and _.

    With the digits of the name if that means two things. names: of all data sets of the study;
    registered: names that nothing else may be shown by.
    """
    stems = {}
    for name in names:
        declared = declaration(name)
        if declared is not None:
            stems[name] = re.sub(r"\W+", "_", declared["title"]).strip("_")[:MAX_LABEL] or "data"
    counts = Counter([*stems.values(), *registered])
    for name, stem in stems.items():
        if counts[stem] > 1:
            stems[name] = f"{stem}_{name.removeprefix(PREFIX)}"
    return stems


def remember(name: str, known: Known) -> None:
    """Note what this process knows of own data."""
    _known[name] = known


def known(name: str) -> Known | None:
    """What this process knows of own data; None if it has not read them."""
    return _known.get(name)


def look_in(folder: Path) -> None:
    """Look for prepared data in a folder of data sets, besides results/data."""
    if folder not in _folders:
        _folders.append(folder)


def declaration(name: str) -> dict[str, Any] | None:
    """What own data declare: as this process has read them, else as they were prepared.

    None if nothing is known of them.
    """
    if not is_name(name):
        return None
    if name in _known:
        return _known[name].declared
    for manifest in _manifests(name):
        keys = [key for key in KEYS if key in manifest and (key, TOKENS in manifest) != _CONTEXT]
        return {key: manifest[key] for key in keys}
    return None


_CONTEXT = ("shape", True)


def train_size(name: str) -> int | None:
    """Examples of the train split of own data; None of running text, or if it is not known."""
    if name in _known:
        return _known[name].train_size
    for manifest in _manifests(name):
        return None if manifest["kind"] == "text" else int(manifest["counts"]["train"])
    return None


def _manifests(name: str) -> Iterator[dict[str, Any]]:
    """The manifests of own data, prepared as they are or as tokens."""
    for folder in _folders:
        for path in sorted(folder.glob(f"{name}*/{store.MANIFEST}")):
            manifest = store.read_note(path, None)
            if isinstance(manifest, dict) and manifest.get("dataset") == name and "own" in manifest:
                yield manifest
