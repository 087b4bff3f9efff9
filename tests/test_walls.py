"""The plan of the house, held by reading the imports."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "lib/actstudy"
ROOMS = ["contract", "study", "advice", "nets", "data", "tasks", "health", "training"]
ROOMS += ["experiments", "analysis", "commands", "__main__"]
FILES = sorted(PACKAGE.rglob("*.py"))
TORCH_FREE = ("contract", "study", "advice", "analysis")


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_walls(path):
    here, names = room(path), imported(path)
    assert path.stem not in ("utils", "helpers", "common", "misc")
    assert not any(name.split(".")[0] == "snakemake" for name in names)
    if here in TORCH_FREE:
        assert not any(name.split(".")[0] in ("torch", "torchvision") for name in names)
    if here == "__init__":
        return
    for name in names:
        parts = name.split(".")
        if parts[0] == "actstudy" and len(parts) > 1:
            assert ROOMS.index(parts[1]) <= ROOMS.index(here), f"{here} imports {name}"
            if here == "analysis":
                assert parts[1] in TORCH_FREE
            if parts[1] == "analysis":
                assert here in ("analysis", "commands")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 100, node.name


def test_planning_imports_no_torch():
    import subprocess
    import sys

    code = (
        "import sys; from actstudy.study import planning; planning.load('config/config.yaml');"
        "import actstudy.commands.cli, actstudy.analysis.partial; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
