"""The lease of GPUs, on pretended ones: one slot a run, spread first, freed by a kill, failed GPUs passed over."""

import contextlib
import os
import subprocess
import sys
import tempfile
import types

import pytest
import torch
from conftest import quiet, tiny
from test_training import row

from actstudy.study import host
from actstudy.study.registry import StudyError
from actstudy.training import devices
from actstudy.training.job import Interrupted, Progress
from actstudy.training.run import accounting, make_job

PRETENDED = """
import tempfile, types, torch
from actstudy.study import host
def pretend(n, folder):
    tempfile.tempdir, torch.version.cuda = folder, "13.0"
    host.gpus = lambda: [str(index) for index in range(n)]
    torch.zeros = lambda size, device: types.SimpleNamespace(item=lambda: 0.0)
"""


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """`pretend(n)`: this host has n GPUs."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for place, name in ((tempfile, "tempdir"), (torch.version, "cuda"), (host, "gpus"), (torch, "zeros")):
        monkeypatch.setattr(place, name, getattr(place, name))
    made = types.ModuleType("pretended")
    exec(PRETENDED, made.__dict__)
    return lambda n: made.pretend(n, str(tmp_path))


def leased(stack, slots=1):
    """The GPU of a new lease; the run itself sees it as the only one."""
    assert stack.enter_context(devices.lease("cuda", slots, lambda: True)) == torch.device("cuda", 0)
    return int(os.environ["CUDA_VISIBLE_DEVICES"])


@pytest.mark.parametrize(("slots", "expected"), [(1, [0, 1]), (2, [0, 1, 0, 1])])
def test_runs_spread_over_gpus_before_they_share_one(pretend, slots, expected):
    pretend(2)
    with contextlib.ExitStack() as stack:
        assert [leased(stack, slots) for _ in expected] == expected
        with pytest.raises(Interrupted):
            leased(stack, slots)
    with contextlib.ExitStack() as stack:  # what has ended is free again
        assert leased(stack, slots) == 0


def test_a_killed_process_frees_its_gpu(pretend, tmp_path):
    pretend(1)
    code = (
        PRETENDED
        + f"""
pretend(1, {str(tmp_path)!r})
from actstudy.training import devices
with devices.lease("cuda", 1, lambda: True):
    print("held", flush=True)
    input()
"""
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Interrupted), contextlib.ExitStack() as stack:
        leased(stack)
    process.kill()
    process.wait()
    with contextlib.ExitStack() as stack:
        assert leased(stack) == 0


def test_a_failed_gpu_is_passed_over(pretend, monkeypatch):
    """The process starts again on the others, for CUDA reads its choice once; with none left, one line."""

    def failed(*_, **__):
        raise RuntimeError("CUDA error: unspecified launch failure")

    def started(path, arguments):
        assert (path, arguments) == (sys.executable, sys.orig_argv)
        raise InterruptedError(os.environ["CUDA_VISIBLE_DEVICES"])

    pretend(3)
    monkeypatch.setattr(torch, "zeros", failed)
    monkeypatch.setattr(os, "execv", started)
    with pytest.raises(InterruptedError, match=r"^1,2$"), contextlib.ExitStack() as stack:
        leased(stack)
    pretend(1)
    monkeypatch.setattr(torch, "zeros", failed)
    with pytest.raises(StudyError, match="no GPU answers; to mend"), contextlib.ExitStack() as stack:
        leased(stack)


def test_slurms_choice_is_left_alone(pretend, monkeypatch):
    pretend(1)
    monkeypatch.setenv("SLURM_JOB_GPUS", "5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with contextlib.ExitStack() as stack:  # Slurm may give one GPU to several jobs
        assert [leased(stack), leased(stack)] == [5, 5]
    pretend(2)  # several GPUs of one job are shared out here
    with contextlib.ExitStack() as stack:
        assert [leased(stack), leased(stack)] == [0, 1]


def test_no_gpu_means_cpu_unless_one_is_asked_for():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with devices.lease("auto", 1, lambda: True) as device:
        assert device.type == "cpu"
    with pytest.raises(StudyError, match="got 'cuda', but torch sees no GPU"), contextlib.ExitStack() as stack:
        leased(stack)


@pytest.mark.parametrize(
    ("files", "visible", "expected"),
    [([], None, []), ([], "0", []), (["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], None, ["0", "1"])]
    + [(["nvidia0", "nvidia1"], "1", ["1"]), (["nvidia0", "nvidia1"], "GPU-a, GPU-b", ["GPU-a", "GPU-b"])]
    + [(["nvidia0"], hidden, []) for hidden in ("", "-1")]
    + [(["nvidia0"], "0,1", ["0"])],
)
def test_gpus_are_counted_without_torch(tmp_path, monkeypatch, files, visible, expected):
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr(host, "Path", lambda _: tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert host.gpus() == expected


def test_a_device_that_disappears_is_a_row_with_one_line(train, monkeypatch):
    def lost(*_):
        raise RuntimeError("CUDA error: the GPU is lost\nCUDA kernel errors might be asynchronously reported.")

    monkeypatch.setattr("actstudy.training.run.fit", lost)
    found = row(train("a"))
    assert (found["status"], found["reason"]) == ("failed", "RuntimeError: CUDA error: the GPU is lost")


def test_runs_that_may_share_a_gpu_are_not_timed(data, tmp_path):
    """Their speeds stay out of comparisons; a CPU has no slots."""
    work = make_job(tiny(), tmp_path, data, torch.device("cpu"), quiet())
    clean = {}
    for kind in ("cpu", "cuda"):
        work.device = torch.device(kind)
        clean[kind] = [accounting(work, Progress(), slots)["timing_clean"] for slots in (1, 4)]
    assert clean == {"cpu": [True, True], "cuda": [True, False]}
