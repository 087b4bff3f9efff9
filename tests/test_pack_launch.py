"""Programs of packs are compiled at the same time, once, before any is launched: without a GPU."""

import threading
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from runs import packed_spec

from actstudy.contract import host
from actstudy.nets.activations import Sites
from actstudy.nets.mlp import MLP
from actstudy.nets.packed import PackedMLP
from actstudy.training import pack_evaluation, pack_kernel, pack_launch

pytest.importorskip("triton", reason="torch has brought no Triton")

NAMES = ("relu", "tanh", "gelu", "silu")


@pytest.fixture
def gpu(monkeypatch):
    """What Triton compiles and launches, in order, on a GPU that is not there.

    A compilation ends if as many as there are activations are under way, else fails.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    from actstudy.training import pack_program

    done = []
    together = threading.Barrier(len(NAMES), timeout=5)

    def compile(source, **_):
        together.wait()
        done.append(("compiled", source.name))
        kernel = mock.MagicMock()
        del kernel.result  # what a kernel on its way has
        kernel.run = lambda *_: done.append(("launched", source.name))
        return kernel

    target = GPUTarget("cuda", 90, 32)
    there = SimpleNamespace(
        get_current_target=lambda: target,
        get_current_device=lambda: 0,
        get_current_stream=lambda device: 0,
    )
    monkeypatch.setattr(driver, "_active", there)
    monkeypatch.setattr(triton.compiler, "compile", compile)
    monkeypatch.setattr(host, "cores", lambda: len(NAMES))
    for name in ("step", "logits_of"):
        function = getattr(pack_program, name)
        empty = type(function.device_caches)(function.create_binder)
        monkeypatch.setattr(function, "device_caches", empty)
        monkeypatch.setattr(function, "compile", None, raising=False)  # its memory of it is undone
    return done


def kernel():
    fields = {"width": 16, "depth": 2, "precision": "bf16", "batch_size": 20, "optimizer": "sgd"}
    specs = [packed_spec(name, **fields, clip=None, pack_width=len(NAMES)) for name in NAMES]
    members = []
    for spec in specs:
        sites = Sites(spec.activation, spec.activation_args)
        members.append((MLP(40, [16] * 2, 10, sites), sites))
    seed_of = torch.zeros(len(NAMES), dtype=torch.long)
    tiles = pack_kernel.TILES["bf16"]
    return pack_kernel.PackKernel(PackedMLP(members), specs, seed_of, tiles)


def test_programs_are_compiled_at_the_same_time_and_once(gpu):
    own = kernel()
    evaluation = pack_evaluation.PackEvaluation(own, pack_evaluation.BLOCKS["bf16"])
    for part, name in ((own, "step"), (evaluation, "logits_of")):
        part.rehearse()
        assert gpu == [("compiled", name)] * len(NAMES) + [("launched", name)] * len(NAMES)
        gpu.clear()


@pytest.mark.parametrize("error", [Exception, AttributeError, RuntimeError])
def test_whatever_a_build_raises_is_a_reason(error):
    """Triton's errors of compilation are no RuntimeError."""
    lines = []
    build = mock.Mock(side_effect=error("no such option"))
    assert pack_launch.tried(build, [SimpleNamespace(line=lines.append)], "not used") is None
    assert lines == [f"kernel: not used: {error.__name__}: no such option"]


def test_a_compilation_that_fails_is_a_reason_and_leaves_nothing_on(gpu, monkeypatch):
    """Not even Triton's mode, which some of its versions leave on."""
    import triton
    from triton.runtime._async_compile import active_mode

    class StaysOn(triton.AsyncCompileMode):
        def __exit__(self, *error):
            try:
                super().__exit__(*error)
            finally:
                active_mode.set(self)

    def fails(*_, **__):
        raise RuntimeError("no registers left")

    monkeypatch.setattr(triton, "AsyncCompileMode", StaysOn)
    monkeypatch.setattr(triton.compiler, "compile", fails)
    lines = []
    assert pack_launch.tried(kernel, [SimpleNamespace(line=lines.append)], "not used") is None
    assert lines == ["kernel: not used: RuntimeError: no registers left"]
    assert active_mode.get() is None
    assert gpu == []
