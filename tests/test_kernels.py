"""Kernels of compiled code: what they compute, on a CPU, and which runs have them."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from runs import ROOT

from actstudy.contract.recipes import why_no_kernels
from actstudy.contract.spec import run_id
from actstudy.nets import gpt, kernels
from actstudy.study.planning import run_spec
from actstudy.training import job, wiring


def test_they_are_what_they_stand_for():
    """By Triton's interpreter, which must be chosen before Triton is imported."""
    pytest.importorskip("triton", minversion="3.8", reason="older interpreters need older numpy")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command.append(str(ROOT / "tests/interpreted.py"))
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_only_what_has_a_kernel_fits():
    qkv = torch.zeros(1, 256, 3 * 384, dtype=torch.bfloat16)
    assert kernels.fits(qkv, 6)
    assert not kernels.fits(qkv, 3)
    assert not kernels.fits(qkv[:, :200], 6)
    assert not kernels.fits(qkv.half(), 6)
    assert not kernels.fits(qkv.expand(1, -1, -1).repeat(1, 5, 1), 6)
    assert kernels.fits(qkv.expand(65535 // 6, -1, -1), 6)
    assert not kernels.fits(qkv.expand(65535 // 6 + 1, -1, -1), 6)  # a grid has no such side


def test_kernels_that_do_not_work_on_a_gpu_are_refused_in_a_line(monkeypatch):
    from actstudy.nets import attention_kernel

    def forward(*_):
        raise ValueError("no such instruction\non this GPU")

    monkeypatch.setattr(attention_kernel, "forward", forward)
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: torch.ones(1))
    assert kernels.refusal.__wrapped__(6, 30000) == "ValueError: no such instruction"


@pytest.mark.parametrize(
    "words", ["CUDA out of memory. Tried", "Triton Error [CUDA]: out of memory"]
)
def test_memory_that_other_runs_take_is_no_reason_for_other_bits(monkeypatch, words):
    from actstudy.nets import attention_kernel

    def full(*_):
        raise RuntimeError(words)

    monkeypatch.setattr(attention_kernel, "forward", full)
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: torch.ones(1))
    with pytest.raises(RuntimeError, match="out of memory"):
        kernels.refusal.__wrapped__(6, 30000)


def test_the_fault_of_a_kernel_is_what_its_errors_began_with():
    broken = TypeError("at 3:67:\ndef kernel(p):")
    broken.__cause__ = ValueError("no such precision")
    assert kernels.fault(broken) == "ValueError: no such precision"
    assert kernels.fault(RuntimeError()) == "RuntimeError: "


@pytest.mark.parametrize("kind", [RuntimeError, torch.OutOfMemoryError])
def test_memory_that_other_runs_take_is_no_fault_of_a_kernel(kind):
    with pytest.raises(torch.OutOfMemoryError):
        kernels.fault(kind("Triton Error [CUDA]: out of memory"))
    wrapped = TypeError("at 3:67:")
    wrapped.__cause__ = kind("Triton Error [CUDA]: out of memory")
    with pytest.raises(torch.OutOfMemoryError):
        kernels.fault(wrapped)


def test_runs_with_kernels_are_others_than_before_and_no_other_run_is():
    def planned(task="lm", **fields):
        fields = {"activation": "gelu", "engine": "compiled", "precision": "bf16", **fields}
        return run_spec(task, 0, fields)

    assert why_no_kernels(planned()) is None
    assert planned().recipe == 2
    others = [
        planned("cls"),
        planned(engine="eager"),
        planned(precision="fp16"),
        planned(strict=True),
        planned(label_smoothing=0.1),
    ]
    assert [why_no_kernels(spec) for spec in others] == [
        "task cls",
        "engine eager",
        "precision fp16",
        "strict",
        "label_smoothing 0.1",
    ]
    assert {spec.recipe for spec in others} == {1}
    assert len({run_id(spec) for spec in [planned(), *others]}) == len(others) + 1


SIZES = {"vocabulary": 300, "context": 64, "width": 128, "heads": 2, "depth": 1, "batch_size": 2}


@pytest.mark.parametrize(
    ("fields", "works", "words"),
    [
        ({}, "", "used: attention and loss"),
        ({"heads": 4}, "", "used: loss alone, attention takes heads of 64 and contexts of at most"),
        ({"context": 96}, "", "used: loss alone"),
        ({"strict": True}, "", "not used: strict"),
        ({"engine": "eager"}, "", "not used: engine eager"),
        ({}, "ValueError: no such GPU", "not used: ValueError: no such GPU"),
    ],
)
def test_a_log_says_which_kernels_a_run_uses_or_why_none(monkeypatch, fields, works, words):
    base = {"activation": "gelu", "engine": "compiled", "precision": "bf16", **SIZES}
    spec = run_spec("lm", 0, {**base, **fields})
    model = gpt.GPT(300, spec.context, 1, 128, spec.heads, 0.0, lambda *_: torch.nn.GELU())
    monkeypatch.setattr(kernels, "refusal", lambda heads, vocabulary: works)
    lines = []
    wiring.use_kernels(spec, model, 300, SimpleNamespace(line=lines.append))
    assert len(lines) == 1
    assert lines[0].startswith(f"kernels: {words}")
    assert model.uses_kernels == words.startswith("used")
    noise = torch.zeros(2, 64, dtype=torch.int64)
    trained = job.Job(
        specs=[spec],
        splits={split: {"x": noise, "y": noise} for split in ("train", "val", "test")},
        inputs=lambda x: x,
        device=torch.device("cpu"),
        logs=[],
        probe_every=1,
        model=model,
        sites=SimpleNamespace(names={}),
        optimizer=torch.optim.SGD(model.parameters()),
        scaler=None,
    )
    assert ("by kernel" in trained.execution) == model.uses_kernels
