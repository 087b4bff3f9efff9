"""A file of someone's own that hides a module which others need: `random.py` beside a study."""

import sys
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("numpy", "pandas", "pyarrow", "snakemake", "torch", "yaml")  # that the project imports


def fault(text: str, folders: Iterable[Path]) -> str | None:
    """What is to be done about a hiding file that an error's text names; None if it names none."""
    for folder in folders:
        for file in sorted(folder.glob("*.py")):
            is_known = file.stem in PACKAGES or file.stem in sys.stdlib_module_names
            if is_known and (f"'{file.stem}'" in text or str(file) in text):
                return _sentence(file)
    return None


def hiding(folder: Path) -> str | None:
    """The same of a file in a folder that hides what every process needs; None if none does.

    That is what this process has imported from elsewhere, and PACKAGES.
    """
    for file in sorted(folder.glob("*.py")):
        module = sys.modules.get(file.stem)
        is_needed = module is not None and file.stem in sys.stdlib_module_names
        if file.stem in PACKAGES or is_needed:
            return _sentence(file)
    return None


def _sentence(file: Path) -> str:
    whose = "Python's own" if file.stem in sys.stdlib_module_names else "the package"
    return f"your {file.name} hides {whose} {file.stem}; to fix: rename it"
