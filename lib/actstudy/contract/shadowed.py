"""A file of someone's own that hides a module which others need: `random.py` beside a study."""

import sys
from collections.abc import Iterable
from pathlib import Path

# that the project imports, and itself
PACKAGES = ("actstudy", "numpy", "pandas", "pyarrow", "snakemake", "torch", "yaml")


def fault(text: str, folders: Iterable[Path]) -> str | None:
    """What is to be done about a hiding file that an error's text names; None if it names none."""
    for folder in folders:
        for module, file in _modules(folder).items():
            is_known = module in PACKAGES or module in sys.stdlib_module_names
            if is_known and (f"'{module}'" in text or str(file) in text):
                return _sentence(module, file)
    return None


def hiding(folder: Path) -> str | None:
    """The same of a file in a folder that hides what every process needs; None if none does.

    That is what this process has imported from elsewhere, and PACKAGES.
    """
    for module, file in _modules(folder).items():
        is_needed = module in sys.modules and module in sys.stdlib_module_names
        if module in PACKAGES or is_needed:
            return _sentence(module, file)
    return None


def _modules(folder: Path) -> dict[str, Path]:
    """Module -> its file or its package's folder, of all in a folder but this very package."""
    modules = {file.stem: file for file in sorted(folder.glob("*.py"))}
    for file in sorted(folder.glob("*/__init__.py")):
        if file.parent.resolve() != Path(__file__).resolve().parents[1]:
            modules[file.parent.name] = file.parent
    return modules


def _sentence(module: str, file: Path) -> str:
    whose = "Python's own" if module in sys.stdlib_module_names else "the package"
    name = file.name if file.suffix else f"folder {file.name}"
    return f"your {name} hides {whose} {module}; to fix: rename it"
