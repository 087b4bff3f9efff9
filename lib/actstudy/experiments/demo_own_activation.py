"""Demo: the template of an activation with its own backward: its tests, its curve, its cost."""

import importlib.util
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from actstudy.certificate.cost import both, bytes_saved, one_thread, ratios
from actstudy.certificate.pieces import derivative
from actstudy.certificate.subject import Subject, normal, subject_of
from actstudy.contract import own
from actstudy.contract.errors import StudyError

MODULE = "bend"
CLASSES = {"Bend": "by autograd", "BendLearnt": "beta learnt", "BendLean": "own backward"}
REGISTERED = "silu"  # the same function, as torch has it
REACH = 6.0
N_POINTS = 241
N_ELEMENTS = (1024, 256)
STEP = 1e-5  # of the differences that the own slope is compared with


def table() -> pa.Table:
    """Rows of kinds `test` (outcome), `slope` and `difference` (value at x) and cost.

    `bytes` are those that backward needs per value; `time` is of both passes over relu's, with its
    quartiles. StudyError without pytest.
    """
    if importlib.util.find_spec("pytest") is None:
        raise StudyError("demo: own_activation: pytest is missing; allowed: pip install pytest")
    with tempfile.TemporaryDirectory() as folder:
        rows = _of_tests(Path(folder))
        own.look_in(Path(folder))
        subjects = {label: subject_of(f"{MODULE}:{name}") for name, label in CLASSES.items()}
        subjects[f"registered {REGISTERED}"] = subject_of(REGISTERED)
        rows += _of_slope(subjects[CLASSES["BendLean"]])
        for label, subject in subjects.items():
            rows += _of_cost(label, subject)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("kind", "name", "outcome")]
    + [(name, pa.float64()) for name in ("x", "value", "low", "high")]
)


def _of_tests(folder: Path) -> list[dict[str, Any]]:
    """Write the template into a folder, and a row per test of it that ran."""
    python = [sys.executable, "-m"]
    template = [*python, "actstudy", "template", "activation", MODULE]
    subprocess.run(template, cwd=folder, check=True, capture_output=True)
    tests = [*python, "pytest", "-q", f"test_{MODULE}.py", "--junitxml", "tests.xml"]
    subprocess.run(tests, cwd=folder, check=False, capture_output=True)
    cases = ElementTree.parse(folder / "tests.xml").iter("testcase")  # noqa: S314 - our own file
    rows = []
    for case in cases:
        name = case.attrib["name"].partition("[")[0].removeprefix("test_").replace("_", " ")
        outcome = "failed" if len(case) else "passed"
        rows.append({"kind": "test", "name": name, "outcome": outcome})
    return rows


def _of_slope(subject: Subject) -> list[dict[str, Any]]:
    """The slope that the own backward gives, and that of differences of its values."""
    x = np.linspace(-REACH, REACH, N_POINTS)
    slope = derivative(subject, x, 1)
    change = derivative(subject, x + STEP, 0) - derivative(subject, x - STEP, 0)
    rows = []
    for kind, values in (("slope", slope), ("difference", change / (2 * STEP))):
        for place, value in zip(x.tolist(), values.tolist(), strict=True):
            rows.append({"kind": kind, "name": subject.name, "x": place, "value": value})
    return rows


def _of_cost(label: str, subject: Subject) -> list[dict[str, Any]]:
    """Bytes that backward needs and the time of both passes over relu's."""
    saved = bytes_saved(subject).values["bytes"]
    x = normal(*N_ELEMENTS)
    with one_thread():
        times = ratios(both(subject.fresh(), x), both(nn.ReLU(), x), "cpu")
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75)).tolist()
    return [
        {"kind": "bytes", "name": label, "value": saved},
        {"kind": "time", "name": label, "value": middle, "low": low, "high": high},
    ]
