"""Parity tells planted faults from rounding, in the real twin on each back end."""

import dataclasses
import sys

import keras
import pytest
import torch
from runs import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import parity as benchmark
import parity_faults

from actstudy.contract import own
from actstudy.frameworks import activations
from actstudy.training import parity

own.look_in(ROOT / "benchmarks")
DATA = benchmark.images()


def checks_of(framework, activation="gelu", optimizer=benchmark.ADAMW, seed=0):
    run = benchmark.run_of(framework, benchmark.SMALL, activation, optimizer, seed)
    return parity.check(run, DATA)


@pytest.mark.parametrize("name", parity_faults.FAULTS)
def test_a_planted_fault_is_named_by_the_check_that_it_should_fail(framework, name):
    fault, check, optimizer = parity_faults.FAULTS[name]
    with fault():
        checks = checks_of(framework, optimizer=benchmark.OPTIMIZERS[optimizer])
    failed = [check for check in checks if not check.passed]
    assert failed[0].name == check, failed
    assert failed[0].where.split(".")[0].split(" ")[0] in parity_faults.PLACES[check]


@pytest.mark.parametrize("activation", ["relu", "gelu", "prelu"])
@pytest.mark.parametrize("optimizer", [benchmark.SGD, benchmark.ADAM])
def test_a_sound_twin_passes_all_checks(framework, activation, optimizer):
    checks = checks_of(framework, activation, optimizer, seed=1)
    assert [check for check in checks if not check.passed] == []
    has_float64 = framework == parity.FLOAT64
    assert ("steps in float64" in [check.name for check in checks]) == has_float64


def test_a_sound_twin_with_stochastic_depth_passes_all_checks(framework):
    model = {"model": "convnext_tiny", "width": 4, "depth": 1, "drop_path": 0.3}
    run = benchmark.run_of(framework, model, "gelu", benchmark.SGD)
    assert [check for check in parity.check(run, DATA) if not check.passed] == []


def test_what_is_planted_is_gone_after_the_block(framework):
    for fault, _, _ in parity_faults.FAULTS.values():
        with fault():
            pass
    assert all(check.passed for check in checks_of(framework))


def half_checks(framework, model=benchmark.SMALL, activation="gelu"):
    run = benchmark.run_of(framework, model, activation, benchmark.SGD)
    checks = parity.check(dataclasses.replace(run, precision="bf16"), DATA)
    assert [check.name for check in checks][-2:] == ["logits in bf16", "one step in bf16"]
    return [check for check in checks if not check.passed]


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_sound_twin_passes_in_bf16(framework, activation):
    assert half_checks(framework, activation=activation) == []


def test_a_fault_of_bf16_alone_is_named(framework, monkeypatch):
    def rough(compute):
        def of(x):
            is_half = keras.backend.standardize_dtype(x.dtype) == "bfloat16"
            return keras.ops.relu(x) if is_half else compute(x)

        return of

    monkeypatch.setattr(activations, "rounded_once", rough)
    assert half_checks(framework)[0].name == "logits in bf16"


def test_torch_is_compared_with_the_kernels_that_keras_has(framework):
    model = {"model": "resnet18", "width": 4, "stem": "large", "depth": 1}  # 4 channels, stride 2
    run = parity.short_run(
        benchmark.run_of(framework, model, "hardtanh", benchmark.SGD), benchmark.EXAMPLES["train"]
    )
    with parity.kernels_of(parity.keras_side(run, DATA)):
        assert torch.backends.mkldnn.enabled == (framework != "keras-torch")
    assert torch.backends.mkldnn.enabled


def test_a_cell_that_cannot_be_compared_says_why(framework, tmp_path):
    run = benchmark.run_of(framework, {"model": "parity_net:untraceable"}, "relu", benchmark.SGD)
    content = parity.content_of(run, lambda: DATA)
    assert content["checks"] == []
    assert content["error"].startswith("model parity_net:untraceable has no twin: ")
    assert torch.get_num_threads() == 1
