"""The lease of GPUs, on pretended ones: one slot a run, spread first, freed by a kill, failed GPUs
passed over.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import types

import pytest
import torch
from runs import quiet, run_row, tiny

from actstudy.commands.cli import main
from actstudy.contract import host
from actstudy.contract.errors import StudyError
from actstudy.training import devices
from actstudy.training.outcome import Interrupted
from actstudy.training.tables import accounting
from actstudy.training.wiring import make_job

PRETENDED = """
import tempfile, types, torch
from actstudy.contract import host
def pretend(n, folder):
    tempfile.tempdir, torch.version.cuda = folder, "13.0"
    host.gpus = lambda: [f"GPU-{index}" for index in range(n)]
    torch.zeros = lambda size, device: types.SimpleNamespace(item=lambda: 0.0)
"""


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """`pretend(n)`: this host has n GPUs."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for place, name in (
        (tempfile, "tempdir"),
        (torch.version, "cuda"),
        (host, "gpus"),
        (torch, "zeros"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    made = types.ModuleType("pretended")
    exec(PRETENDED, made.__dict__)
    return lambda n: made.pretend(n, str(tmp_path))


def leased(stack, slots=1):
    """The GPU of a new lease; the run itself sees it as the only one."""
    assert stack.enter_context(devices.lease("cuda", slots, lambda: True)) == torch.device(
        "cuda", 0
    )
    return int(os.environ["CUDA_VISIBLE_DEVICES"].removeprefix("GPU-"))


@pytest.mark.parametrize(("slots", "expected"), [(1, [0, 1]), (2, [0, 0, 1, 1])])
def test_no_more_runs_on_a_gpu_than_slots_and_no_more_gpus_than_needed(pretend, slots, expected):
    pretend(2)
    with contextlib.ExitStack() as stack:
        assert [leased(stack, slots) for _ in expected] == expected
        with pytest.raises(Interrupted):
            leased(stack, slots)
    with contextlib.ExitStack() as stack:  # what has ended is free again
        assert leased(stack, slots) == 0


def test_a_run_that_shares_nothing_has_its_gpu_alone(pretend):
    """Studies of different slots meet on one machine: neither takes the other's GPU."""
    pretend(2)
    with contextlib.ExitStack() as stack:
        assert [leased(stack, 4), leased(stack, 1), leased(stack, 4)] == [0, 1, 0]
        with pytest.raises(Interrupted):
            leased(stack, 1)


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
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Interrupted), contextlib.ExitStack() as stack:
        leased(stack)
    process.kill()
    process.wait()
    with contextlib.ExitStack() as stack:
        assert leased(stack) == 0


def failed(*_, **__):
    raise RuntimeError("CUDA error: unspecified launch failure\nCompile with ...")


def test_a_failed_gpu_is_one_line_and_its_lease_is_free(pretend, monkeypatch):
    pretend(3)
    monkeypatch.setattr(torch, "zeros", failed)
    with pytest.raises(devices.Unanswered) as caught, contextlib.ExitStack() as stack:
        leased(stack)
    assert caught.value.others == ["GPU-1", "GPU-2"]
    assert str(caught.value).startswith(
        "device: no GPU answers (CUDA error: unspecified launch failure); to fix"
    )
    pretend(3)
    with contextlib.ExitStack() as stack:
        assert leased(stack) == 0


def test_the_command_starts_again_on_the_other_gpus(monkeypatch, tmp_path, capsys):
    """CUDA reads its choice once a process; with no GPU left, one line and nothing sealed."""
    import actstudy.training.run

    others, started = ["GPU-1", "GPU-2"], []

    def unanswered(*_):
        raise devices.Unanswered(RuntimeError("lost"), others)

    def execv(path, arguments):
        started.append((path, arguments, os.environ["CUDA_VISIBLE_DEVICES"]))
        others.clear()
        raise KeyboardInterrupt  # the process is another one from here

    monkeypatch.setattr(actstudy.training.run, "train", unanswered)
    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "mnist1d").mkdir()
    (tmp_path / "mnist1d/manifest.json").touch()
    command = [
        "train",
        "--task",
        "mlp",
        "--activation",
        "relu",
        "--log_dir",
        str(tmp_path),
        "--data_dir",
        str(tmp_path),
    ]
    for status in (130, 2):
        with pytest.raises(SystemExit) as left:
            main(command)
        assert left.value.code == status
    assert started == [(sys.executable, sys.orig_argv, "GPU-1,GPU-2")]
    assert "actstudy: device: no GPU answers (lost)" in capsys.readouterr().err


def test_slurms_choice_is_left_alone(pretend, monkeypatch):
    pretend(1)
    monkeypatch.setenv("SLURM_JOB_GPUS", "5")
    with contextlib.ExitStack() as stack:  # Slurm may give one GPU to several jobs
        assert [leased(stack), leased(stack)] == [0, 0]
    pretend(2)
    monkeypatch.setenv("SLURM_JOB_GPUS", "4,5")  # several GPUs of one job are shared out here
    with contextlib.ExitStack() as stack:
        assert [leased(stack), leased(stack)] == [0, 1]


def test_no_gpu_means_cpu_unless_one_is_asked_for():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with devices.lease("auto", 1, lambda: True) as device:
        assert device.type == "cpu"
    with (
        pytest.raises(StudyError, match="got 'cuda', but there is no GPU"),
        contextlib.ExitStack() as stack,
    ):
        leased(stack)


LISTED = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-43d6970b-9053)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-fa0753c6-9037)
"""
MIG = LISTED + "  MIG 1g.10gb     Device  0: (UUID: MIG-05c7e12a-75aa)\n"


@pytest.mark.parametrize(
    ("listed", "visible", "expected"),
    [
        (None, None, []),
        (LISTED, None, ["GPU-43d6970b-9053", "GPU-fa0753c6-9037"]),
        (LISTED, "1", ["GPU-fa0753c6-9037"]),
        (LISTED, "GPU-fa07, 0", ["GPU-fa0753c6-9037", "GPU-43d6970b-9053"]),
        (LISTED, "", []),
        (LISTED, "-1", []),
        (LISTED, "0,7", ["GPU-43d6970b-9053"]),
        (MIG, None, ["MIG-05c7e12a-75aa"]),
        ("Unable to determine the device handle for GPU0: GPU is lost.", None, []),
    ],
)
def test_gpus_are_listed_without_torch(tmp_path, monkeypatch, listed, visible, expected):
    if listed:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{listed}\nEND\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if listed else str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert host.gpus() == expected


def test_a_device_that_disappears_is_a_row_with_one_line(train, monkeypatch):
    def lost(*_):
        raise RuntimeError(
            "CUDA error: the GPU is lost\nCUDA kernel errors might be asynchronously reported."
        )

    monkeypatch.setattr("actstudy.training.run.fit", lost)
    found = run_row(train("a"))
    assert (found["status"], found["reason"]) == (
        "failed",
        "RuntimeError: CUDA error: the GPU is lost",
    )


def test_runs_that_may_share_a_gpu_are_not_timed(data, tmp_path):
    """Their speeds stay out of comparisons; a CPU has no slots."""
    work = make_job(tiny(), tmp_path, data, torch.device("cpu"), quiet())
    clean = {}
    for kind in ("cpu", "cuda"):
        work.device = torch.device(kind)
        clean[kind] = [accounting(work, 0, slots)["timing_clean"] for slots in (1, 4)]
    assert clean == {"cpu": [True, True], "cuda": [True, False]}
