"""The kernel of packs: which runs it trains, and what it computes by Triton's interpreter.

On a GPU tests/test_cuda.py tests it.
"""

import dataclasses
import os
import subprocess
import sys

import pytest
from runs import ROOT, packed_spec

from actstudy.contract import code
from actstudy.contract.pack_kernels import why_not
from actstudy.contract.recipes import recipe_of
from actstudy.nets.activations import ACTIVATIONS, LEARNT, RANDOM
from actstudy.study import packs

PLAIN = {"precision": "bf16", "dropout": 0.0, "batch_size": 128, "width": 128}
OTHERS = {
    "engine eager": {"engine": "eager", "pack_width": 1},
    "precision fp32": {"precision": "fp32"},
    "norm layer": {"norm": "layer"},
    "dropout 0.1": {"dropout": 0.1},
    "batch_size 129, above 128": {"batch_size": 129},
    "hidden layers of different widths, or above 128": {"hidden": (64, 32)},
    "hidden layers of different widths, or above 128 ": {"width": 144},
    "activations that differ by layer": {"activation": (("layers.0", "tanh"), ("*", "relu"))},
    "activation prelu, which it has not": {"activation": "prelu"},
    "activation mine:act, which it has not": {"activation": "mine:act"},
    "own code of activation relu": {"code": {"init auto": "1", "activation relu": "2"}},
}


def test_by_tritons_interpreter():
    """tests/interpreted_packs.py: formulas, rounding, steps, company, whole packs."""
    pytest.importorskip("triton", reason="torch has brought no Triton")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(ROOT / "tests/interpreted_packs.py")],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("reason", OTHERS)
def test_a_run_that_the_kernel_does_not_train_has_a_reason_and_its_recipe(reason):
    plain = packed_spec("relu", **PLAIN)
    assert why_not(plain) is None
    other = dataclasses.replace(plain, **OTHERS[reason])
    assert why_not(other) == reason.strip()
    changes = (other.precision == "bf16") + (other.dropout > 0)
    assert recipe_of(other) == 1 + (other.engine == "pack") * changes
    assert recipe_of(plain) == 5
    assert recipe_of(dataclasses.replace(plain, precision="tf32")) == 4


def test_planning_packs_edited_code_apart_under_the_recipe_of_the_layers(monkeypatch):
    plain = packed_spec("relu", **PLAIN)
    monkeypatch.setattr(code, "of_run", lambda spec: {"activation relu": "2"})
    edited = packed_spec("relu", **PLAIN)
    assert (plain.recipe, edited.recipe) == (5, 2)
    assert packs.shared(plain) != packs.shared(edited)


def test_the_recipe_is_a_function_of_the_activation_alone():
    """Not of optimizer or data: those that the kernel has not keep their ids."""
    for name in ACTIVATIONS:
        spec = dataclasses.replace(packed_spec("relu", **PLAIN), activation=name)
        assert (why_not(spec) is None) == (name not in (*LEARNT, *RANDOM))


def test_planning_packs_the_kernels_runs_apart():
    """In fp32 there is no kernel, and one pack."""
    for precision, n in (("bf16", 2), ("tf32", 2), ("fp32", 1)):
        specs = [
            packed_spec(name, **{**PLAIN, "precision": precision}) for name in ("relu", "prelu")
        ]
        assert len(set(map(packs.shared, specs))) == n
