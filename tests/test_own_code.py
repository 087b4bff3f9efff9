"""What counts as someone's own code: edits that make another digest, and those that make none."""

import random
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import memory
import numpy as np
import pytest
import torch
from own_files import write
from refusals import refusal
from runs import tiny
from torch import nn

from actstudy.contract import own, own_code, own_files, own_import, registry
from actstudy.nets import activations
from actstudy.study import planning
from actstudy.training import wiring

VERSION = "VERSIONS = {'f': 1}\n"
SITE = "site-packages"  # a folder of this name holds what is installed
TIMES = "def g(x):\n    return x * 1.0\n"
USE = "def f(x):\n    return g(x)\n"
HELP = "from abc import ABC\nfrom os import sep\ndef unused():\n    return 3\n"
LAZY = "def f(x):\n    from lazy import g\n    return g(x)\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in which the process works; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.syspath_prepend(str(tmp_path / SITE))
    forget()
    yield tmp_path
    forget()


def forget():
    memory.forget(own._find, own._tree, own_code._digest, own_code._imported_modules)
    memory.forget(activations.entry)


def digest(folder, files, path="acts:f"):
    """The digest of a path where there are just these files."""
    for name, text in files.items():
        write(folder / name, text)
    forget()
    return own_code.digest(path)


# Name of the case -> files, path, (file, old, new), whether the digest changes

CASES = {
    "a function that is imported": (
        {"acts.py": f"from h import g\n{USE}", "h.py": TIMES},
        "acts:f",
        ("h.py", "1.0", "2.0"),
        True,
    ),
    "what that function uses": (
        {"acts.py": f"from h import g\n{USE}", "h.py": f"K = 3\n{TIMES.replace('1.0', 'K')}"},
        "acts:f",
        ("h.py", "3", "4"),
        True,
    ),
    "what its module does on import": (
        {"acts.py": f"from h import g\n{USE}", "h.py": f"import c\nc.K = 3\n{TIMES}", "c.py": ""},
        "acts:f",
        ("h.py", "3", "4"),
        True,
    ),
    "another function of that module": (
        {"acts.py": f"from h import g\n{USE}", "h.py": f"{TIMES}def unused():\n    return 3\n"},
        "acts:f",
        ("h.py", "3", "4"),
        False,
    ),
    "a comment and a docstring there": (
        {"acts.py": f"from h import g\n{USE}", "h.py": f"'''text'''  # note\n{TIMES}"},
        "acts:f",
        ("h.py", "'''text'''  # note", "'''other'''"),
        False,
    ),
    "a main part": (
        {"acts.py": f"{TIMES}{USE}if __name__ == '__main__':\n    print(3)\n"},
        "acts:f",
        ("acts.py", "3", "4"),
        False,
    ),
    "an unused function of its own file": (
        {"acts.py": f"{TIMES}{USE}def unused():\n    return 3\n"},
        "acts:f",
        ("acts.py", "3", "4"),
        False,
    ),
    "a statement of its own file that defines no name": (
        {"acts.py": "class f:\n    k = 1\nf.k = 3\n"},
        "acts:f",
        ("acts.py", "3", "4"),
        True,
    ),
    "a package that is imported whole, through its relative import": (
        {
            "acts.py": "import p\ndef f(x):\n    return p.g(x)\n",
            "p/__init__.py": "from .core import g\n",
            "p/core.py": TIMES,
        },
        "acts:f",
        ("p/core.py", "1.0", "2.0"),
        True,
    ),
    "a module that a package imports": (
        {
            "acts.py": "import p\ndef f(x):\n    return p.sub.g(x)\n",
            "p/__init__.py": "from . import sub\n",
            "p/sub.py": TIMES,
        },
        "acts:f",
        ("p/sub.py", "1.0", "2.0"),
        True,
    ),
    "a subpackage's relative import": (
        {
            "acts.py": "from p import sub\ndef f(x):\n    return sub.g(x)\n",
            "p/__init__.py": "",
            "p/sub/__init__.py": "from .core import g\n",
            "p/sub/core.py": TIMES,
        },
        "acts:f",
        ("p/sub/core.py", "1.0", "2.0"),
        True,
    ),
    "a star": (
        {"acts.py": f"from h import *\n{USE}", "h.py": TIMES},
        "acts:f",
        ("h.py", "1.0", "2.0"),
        True,
    ),
    "a star of a star": (
        {"acts.py": f"from a import *\n{USE}", "a.py": "from b import *\n", "b.py": TIMES},
        "acts:f",
        ("b.py", "1.0", "2.0"),
        True,
    ),
    "a star of a module that is imported inside": (
        {"acts.py": LAZY, "lazy.py": "from b import *\n", "b.py": TIMES},
        "acts:f",
        ("b.py", "1.0", "2.0"),
        True,
    ),
    "the first of two modules in one import": (
        {
            "acts.py": "import p.a, p.b\ndef f(x):\n    return p.a.g(p.b.g(x))\n",
            "p/__init__.py": "",
            "p/a.py": TIMES,
            "p/b.py": "def g(x):\n    return x\n",
        },
        "acts:f",
        ("p/a.py", "1.0", "2.0"),
        True,
    ),
    "an import for what it does": (
        {
            "acts.py": "import c\nimport setup\ndef f(x):\n    return x * c.K\n",
            "c.py": "K = 1\n",
            "setup.py": "import c\nc.K = 3\n",
        },
        "acts:f",
        ("setup.py", "3", "4"),
        True,
    ),
    "an unused function of such an import": (
        {"acts.py": f"import setup\n{TIMES}{USE}", "setup.py": "def main():\n    return 3\n"},
        "acts:f",
        ("setup.py", "3", "4"),
        False,
    ),
    "its package": (
        {
            "p/__init__.py": "from . import acts\nacts.K = 3\n",
            "p/acts.py": "K = 0\ndef f(x):\n    return x * K\n",
        },
        "p.acts:f",
        ("p/__init__.py", "3", "4"),
        True,
    ),
    "the package of a module that it imports": (
        {
            "acts.py": f"from p.h import g\n{USE}",
            "p/__init__.py": "import math\nmath.tau = 3\n",
            "p/h.py": TIMES,
        },
        "acts:f",
        ("p/__init__.py", "3", "4"),
        True,
    ),
    "a module through which it is imported": (
        {
            "acts.py": "from mid import f\n",
            "mid.py": "from h import f\nf.k = 3\n",
            "h.py": "def f(x):\n    return x * f.k\n",
        },
        "acts:f",
        ("mid.py", "3", "4"),
        True,
    ),
    "the path's module, which imports it": (
        {"acts.py": "from h import f\nf.k = 3\n", "h.py": "def f(x):\n    return x * f.k\n"},
        "acts:f",
        ("acts.py", "3", "4"),
        True,
    ),
    "compiled code that it imports": (
        {"acts.py": f"from fast import g\n{USE}", "fast.so": "1.0"},
        "acts:f",
        ("fast.so", "1.0", "2.0"),
        True,
    ),
    "a name of a module that is part of Python": (
        {"acts.py": f"from h import sep\n{TIMES}def f(x):\n    return g(sep)\n", "h.py": HELP},
        "acts:f",
        ("h.py", "3", "4"),
        False,
    ),
    "an installed activation's own package": (
        {
            f"{SITE}/q/__init__.py": "",
            f"{SITE}/q/acts.py": f"from .core import g\n{USE}",
            f"{SITE}/q/core.py": TIMES,
        },
        "q.acts:f",
        (f"{SITE}/q/core.py", "1.0", "2.0"),
        True,
    ),
    "another installed package": (
        {"acts.py": f"from q import g\n{USE}", f"{SITE}/q/__init__.py": TIMES},
        "acts:f",
        (f"{SITE}/q/__init__.py", "1.0", "2.0"),
        False,
    ),
    "code whose version is declared": (
        {"acts.py": "VERSIONS = {'f': 1}\ndef f(x):\n    return 3 * x\n"},
        "acts:f",
        ("acts.py", "3", "4"),
        False,
    ),
    "the version that is declared": (
        {"acts.py": "VERSIONS = {'f': 1}\ndef f(x):\n    return 3 * x\n"},
        "acts:f",
        ("acts.py", "1", "2"),
        True,
    ),
    "a version declared where it is defined": (
        {"acts.py": "from h import f\n", "h.py": f"{VERSION}def f(x):\n    return 3\n"},
        "acts:f",
        ("h.py", "3", "4"),
        False,
    ),
    "code beside a version of another module": (
        {
            "acts.py": "from h import *\ndef f(x):\n    return 3 * x\n",
            "h.py": "VERSIONS = {'f': 1}",
        },
        "acts:f",
        ("acts.py", "3", "4"),
        True,
    ),
    "code beside a version that is imported": (
        {
            "acts.py": "from h import VERSIONS\ndef f(x):\n    return 3\n",
            "h.py": "VERSIONS = {'f': 1}",
        },
        "acts:f",
        ("acts.py", "3", "4"),
        True,
    ),
    "a module that makes names while it runs": (
        {"acts.py": f"def __getattr__(name):\n    raise AttributeError(name)\n{TIMES}{USE}"},
        "acts:f",
        ("acts.py", "1.0", "2.0"),
        True,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_edit_counts_or_does_not(folder, case):
    files, path, (file, old, new), counts = CASES[case]
    if any(name.endswith(".so") for name in files):
        suffix = EXTENSION_SUFFIXES[0]
        files = {name.replace(".so", suffix): text for name, text in files.items()}
        file = file.replace(".so", suffix)
    before = digest(folder, files, path)
    assert old in files[file]
    after = digest(folder, {file: files[file].replace(old, new)}, path)
    assert (before != after) == counts
    assert digest(folder, files, path) == before


def test_a_large_installed_package_is_known_by_its_version(folder, monkeypatch):
    files = {
        f"{SITE}/q/__init__.py": "",
        f"{SITE}/q/acts.py": f"from .core import g\n{USE}",
        f"{SITE}/q/core.py": TIMES,
        f"{SITE}/q-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: q\nVersion: 1\n",
        f"{SITE}/q-1.dist-info/top_level.txt": "q\n",
    }
    monkeypatch.setattr(own_files, "MAX_FILES", 2)
    before = digest(folder, files, "q.acts:f")
    edited = {f"{SITE}/q/core.py": TIMES.replace("1.0", "2.0")}
    assert digest(folder, edited, "q.acts:f") == before
    metadata = f"{SITE}/q-1.dist-info/METADATA"
    renewed = {metadata: files[metadata].replace("Version: 1\n", "Version: 2\n")}
    assert digest(folder, renewed, "q.acts:f") != before


@pytest.mark.parametrize(
    "change",
    [
        "VERSIONS['f'] = 2",
        "VERSIONS |= {'f': 2}",
        "VERSIONS.update(f=2)",
        "VERSIONS = {'f': 2}",
        "def later():\n    VERSIONS['f'] = 2",
    ],
)
def test_a_version_that_is_changed_later_is_refused(folder, change):
    files = {"acts.py": f"{TIMES}{USE}VERSIONS = {{'f': 1}}\n{change}\n"}
    refusal(lambda: digest(folder, files), "acts.py: line 6: VERSIONS: changed after its literal")


def test_a_name_that_is_like_versions_changes_nothing(folder):
    text = f"import torch\n{TIMES}{USE}class C:\n    VERSIONS = 1\n"
    assert digest(folder, {"acts.py": text}) == digest(folder, {"acts.py": f"{TIMES}{USE}"})


# Imported


@pytest.mark.parametrize("is_imported", [False, True])
def test_another_module_of_its_name_is_refused(folder, is_imported):
    """A regular package is preferred to a mere folder, and an imported module to any."""
    write(folder / "study/n/acts.py", TIMES)
    write(folder / f"{SITE}/n/__init__.py", "")
    write(folder / f"{SITE}/n/acts.py", TIMES)
    if is_imported:
        __import__("n.acts")
        write(folder / "study/n/__init__.py", "")
    own.look_in(folder / "study")
    refusal(lambda: own_import.load("n.acts:g"), "n.acts:g: Python takes n", "to fix: rename")


def test_a_helper_that_python_takes_from_elsewhere_is_refused(folder):
    write(folder / "acts.py", f"from platform import g\n{USE}")
    write(folder / "platform.py", TIMES)
    refusal(lambda: own_import.load("acts:f"), "Python takes platform from", "platform.py, not")


def test_a_name_of_what_is_built_in_is_refused(folder):
    refusal(lambda: own.find("time:f"), "time:f: time is built into Python; allowed: ")
    write(folder / "time.py", TIMES)
    forget()
    refusal(lambda: own_import.load("time:g"), "takes time from what is built into Python")


def test_imports_inside_functions_see_the_folders(folder):
    write(folder / "study/acts.py", LAZY)
    write(folder / "study/lazy.py", TIMES)
    write(folder / f"{SITE}/lazy.py", "")
    own.look_in(folder / "study")
    assert own_import.load("acts:f")(3) == 3


def test_a_process_that_only_plans_keeps_pythons_path(folder):
    write(folder / "acts.py", LAZY)
    write(folder / "lazy.py", TIMES)
    before = list(sys.path)
    own_code.digest("acts:f")
    assert sys.path == before


# Arguments and draws


@pytest.mark.parametrize(
    "base", ["class B(nn.Module):", "from bases import B", "import bases", "from mid import *"]
)
def test_arguments_of_an_init_that_is_inherited(folder, base):
    init = "    def __init__(self, alpha=2.0):\n        super().__init__()\n"
    body = "" if base[0] != "c" else init
    name = "bases.B" if base == "import bases" else "B"
    write(folder / "acts.py", f"from torch import nn\n{base}\n{body}class f({name}):\n    k = 1\n")
    write(folder / "bases.py", f"from torch import nn\nclass B(nn.Module):\n{init}")
    write(folder / "mid.py", "from bases import B\n")
    assert registry.activation_arguments("acts:f") == {"alpha": 2.0}


def test_arguments_of_an_installed_init_are_refused_with_the_reason(folder):
    write(folder / "acts.py", "from torch import nn\nclass f(nn.ReLU):\n    k = 1\n")
    fields = {"activation": "acts:f", "activation_args": {"alpha": 2.0}}
    refusal(
        lambda: planning.run_spec("mlp", 0, fields),
        "activation_args: got 'alpha'; allowed: none; to fix: write an __init__",
        "in acts:f",
    )


def test_what_an_activation_draws_moves_no_draw_of_the_model(monkeypatch, data):
    """Of numpy and random as of torch."""
    drawn = []

    class Drawing(nn.ReLU):
        def __init__(self):
            super().__init__()
            drawn.append((random.random(), float(np.random.rand()), float(torch.rand(1))))

    monkeypatch.setattr(activations, "entry", activations.entry.__wrapped__)
    entry = activations.Activation(Drawing, "", "", {})
    spec = tiny("relu")
    monkeypatch.setitem(activations.ACTIVATIONS, "relu", entry)
    states = []
    for _ in range(2):
        wiring.seed_globals(spec)
        before = (random.getstate(), np.random.get_state()[1].tolist())
        wiring.make_model(spec, data)
        states.append((random.getstate(), np.random.get_state()[1].tolist()) == before)
    assert states == [True, True]
    assert drawn[: len(drawn) // 2] == drawn[len(drawn) // 2 :]
