"""The plan of the house, held by reading the imports; and the limits of files and functions."""

import ast
import re
import subprocess
import sys
from collections import Counter

import floors
import pytest
from runs import ROOT
from style_rules import FUNCTIONS, function_length

PACKAGE = ROOT / "lib/actstudy"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]
ROOMS = (
    "contract",
    "own_data",
    "study",
    "cluster",
    "advice",
    "losses",
    "nets",
    "data",
    "tasks",
    "health",
    "certificate",
    "guide",
    "frameworks",
    "training",
    "experiments",
    "analysis",
    "judging",
    "bundles",
    "commands",
    "__main__",
)
TORCH_FREE = (
    "contract",
    "own_data",
    "study",
    "cluster",
    "advice",
    "analysis",
    "judging",
    "bundles",
)
READERS = ("analysis", "judging", "bundles")  # of what runs leave
LATE_TORCH = ("commands",)  # imports torch inside functions only, when a command needs it
INNER_ORDER = {
    "analysis": (
        "markdown",
        "scale",
        "reference_rows",
        "export.spreadsheet",
        "questions",
        "run_tables",
        "other_data",
        "collect",
        "long_tables",
        "tables",
        "turned",
        "stored",
        "evidence",
        "choosing",
        "forecast",
        "undecided",
        "remembered",
        "status",
        "watch",
        "live",
        "ending",
        "retry",
        "decide",
        "export",
        "figures",
        "page",
        "explorer",
        "partial",
    ),
    "judging": (
        "scores",
        "statistics",
        "reading",
        "readers",
        "question",
        "judged",
        "verdicts",
        "ranks",
        "results",
        "assumed",
        "answer",
        "headline",
        "words",
        "forest",
        "sameness",
        "records",
        "gate",
        "studies",
    ),
    "data": (
        "archives",
        "download",
        "text",
        "augment",
        "mix",
        "arrays",
        "standardisation",
        "checks",
        "names_of_classes",
        "opened",
        "prepared",
        "staged",
        "official",
        "sets",
    ),
}

MAX_FILE_LINES = 250
MAX_FILES = 13  # of a folder of `judging/`: a room is about a dozen files
MAX_FUNCTION_LINES = 40  # without the docstring


def imports_of(tree: ast.AST) -> set[str]:
    """All names imported under a node; `from a import b` gives `a` and `a.b`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def imports_at_the_top(tree: ast.Module) -> set[str]:
    """The names imported when the module is imported: those outside of functions."""
    names = set()
    for statement in tree.body:
        if not isinstance(statement, FUNCTIONS):
            names |= imports_of(statement)
    return names


def imports_torch(names: set[str]) -> bool:
    return any(name.split(".")[0] in ("torch", "torchvision") for name in names)


def inner_place(room: str, module: str) -> int:
    """The place of a module (`questions.stats`) in the inner order of its room."""
    places = INNER_ORDER[room]
    fitting = [part for part in places if f"{module}.".startswith(f"{part}.")]
    assert fitting, f"{room}.{module} has no place in INNER_ORDER"
    return places.index(max(fitting, key=len))


@pytest.mark.parametrize("name", NAMES)
def test_walls(name):
    room = name.split("/")[0].removesuffix(".py")
    tree = ast.parse((PACKAGE / name).read_text())
    names = imports_of(tree)
    assert (PACKAGE / name).stem not in ("utils", "helpers", "common", "misc")
    assert not any(name.split(".")[0] == "snakemake" for name in names)
    if room in TORCH_FREE:
        assert not imports_torch(names)
    if room in LATE_TORCH:
        assert not imports_torch(imports_at_the_top(tree))
    if room == "__init__":
        return
    for imported in names:
        parts = imported.split(".")
        if parts[0] == "actstudy" and len(parts) > 1:
            assert ROOMS.index(parts[1]) <= ROOMS.index(room), f"{room} imports {imported}"
            if room in READERS:
                assert parts[1] in TORCH_FREE
            if parts[1] in READERS:
                assert room in (*READERS, "commands")


@pytest.mark.parametrize("room", INNER_ORDER)
def test_the_inner_order_of_a_room(room):
    prefix = f"actstudy.{room}."
    inner = floors.import_graph(PACKAGE)
    modules = [module for module in inner if module.startswith(prefix)]
    assert len(modules) > 5
    for module in modules:
        own = inner_place(room, module.removeprefix(prefix))
        for imported in inner[module]:
            if imported.startswith(prefix):
                place = inner_place(room, imported.removeprefix(prefix))
                assert place <= own, f"{module} imports {imported}"


@pytest.mark.parametrize("name", NAMES)
def test_files_and_functions_stay_small(name):
    text = (PACKAGE / name).read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, FUNCTIONS):
            assert function_length(node) <= MAX_FUNCTION_LINES, node.name


def test_a_room_of_judging_is_about_a_dozen_files():
    folders = Counter(name.rpartition("/")[0] for name in NAMES if name.startswith("judging/"))
    assert {"judging", "judging/gate", "judging/statistics", "judging/records"} <= set(folders)
    assert max(folders.values()) <= MAX_FILES


def described_in(document: str) -> dict[str, str]:
    """Folder (`analysis/questions/`) -> the rows of the document's tables that begin with it."""
    rows: dict[str, str] = {}
    for line in document.splitlines():
        cells = line.split("|")
        if line.startswith("|") and len(cells) > 2:
            for folder in re.findall(r"`([a-z_/]+/)`", cells[1]):
                rows[folder] = rows.get(folder, "") + line
    return rows


@pytest.mark.parametrize("name", [name for name in NAMES if "__" not in name])
def test_every_file_is_named_in_the_design(name):
    """A file is named in the row of its folder, or of the folder above; data sets by folder."""
    rows = described_in((ROOT / "docs/design.md").read_text())
    folder, _, file = name.rpartition("/")
    if folder == "data/sets":
        assert "data/sets/" in rows or "sets/" in rows["data/"]
        return
    stem = file.removesuffix(".py")
    row = rows.get(f"{folder}/") or rows[f"{folder.split('/')[0]}/"]
    assert re.search(rf"`{stem}`", row)


def test_planning_imports_no_torch():
    code = (
        "import sys; from actstudy.study import planning; planning.load('config/config.yaml');"
        "import actstudy.commands.cli, actstudy.analysis.partial; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
