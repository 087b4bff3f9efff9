"""The names of a data set's classes, which a text tower reads; of data that have such names.

A data set's file has them as the literal CLASS_NAMES, or a function `class_names` that reads them
from its official files when it is prepared; own images have the names of their folders.
"""

from pathlib import Path
from typing import Any

from actstudy.contract import literals, own_data, registry, store

FILE = "class_names.json"  # beside a manifest, of those that a preparation reads
LITERAL = "CLASS_NAMES"
FUNCTION = "class_names"


def exist(dataset: str) -> bool:
    """Whether the classes of a data set have names."""
    if own_data.is_name(dataset):
        return bool(_of_own(dataset))
    return LITERAL in literals.assignments(_file(dataset)) or are_read(dataset)


def are_read(dataset: str) -> bool:
    """Whether a registered data set's file reads the names when it is prepared."""
    return FUNCTION in literals.functions(_file(dataset))


def of(dataset: str, folder: Path) -> list[str] | None:
    """The names in the order of the classes; None if there are none.

    folder: of the prepared data. Damaged if they were prepared without the names that they have.
    """
    if own_data.is_name(dataset):
        return _of_own(dataset)
    if LITERAL in literals.assignments(_file(dataset)):
        return list(registry.literal(_file(dataset), LITERAL))
    if not are_read(dataset):
        return None
    names: list[str] | None = store.read_note(folder / FILE, None)
    if names is None:
        fix = f"to fix: put words.txt there, rm -r {folder}, start the study again; runs stay"
        raise store.Damaged(f"{folder / FILE} is missing; {fix}")
    return names


def _of_own(dataset: str) -> list[str] | None:
    declared: dict[str, Any] = own_data.declaration(dataset) or {}
    names: list[str] | None = declared.get("own", {}).get("class_names")
    return names


def _file(dataset: str) -> str:
    return f"data/sets/{dataset}.py"
