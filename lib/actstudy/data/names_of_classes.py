"""The names of a data set's classes that its official files hold, noted beside its manifest."""

import importlib
from pathlib import Path

from actstudy.contract import class_names, own_data, store


def read(dataset: str) -> list[str] | None:
    """The names that a data set's file reads, in the order of its classes; None if it reads none.

    Those of own data, and literals, are known without a file.
    """
    if own_data.is_name(dataset) or not class_names.are_read(dataset):
        return None
    module = importlib.import_module(f"actstudy.data.sets.{dataset}")
    names: list[str] | None = module.class_names()
    return names


def write(folder: Path, names: list[str] | None) -> None:
    """Note the names, if there are any: not in the manifest, by whose checksum runs know data."""
    if names:
        store.write_json(folder / class_names.FILE, names)
