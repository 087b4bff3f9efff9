"""The lease of GPUs, on pretended ones: one slot a run, spread first, freed by a kill, failed GPUs
passed over.
"""

import contextlib
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import pandas as pd
import pytest
import torch
from pretended import PRETENDED, pretender
from runs import quiet, run_row, tiny

from actstudy.analysis.page import compute_tables
from actstudy.commands.cli import main
from actstudy.contract import host
from actstudy.contract.errors import StudyError
from actstudy.losses import inputs
from actstudy.training import devices, leases
from actstudy.training.outcome import Interrupted
from actstudy.training.tables import accounting
from actstudy.training.wiring import make_job


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    return pretender(tmp_path, monkeypatch)


def leased(stack, slots=1):
    """The GPU of a new lease; the run itself sees it as the only one."""
    lease = stack.enter_context(devices.lease("cuda", leases.Slots(slots), lambda: True))
    assert lease.device == torch.device("cuda", 0)
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
with devices.lease("cuda", leases.Slots(), lambda: True):
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
    with devices.lease("auto", leases.Slots(), lambda: True) as lease:
        assert lease.device.type == "cpu"
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


@pytest.fixture
def other_user():
    """`with other_user():` what follows is done with the rights of a user who owns nothing."""

    @contextlib.contextmanager
    def rights():
        user = os.geteuid()
        if user:
            pytest.skip("only root may take another user's rights")
        os.seteuid(12345)
        try:
            yield
        finally:
            os.seteuid(user)

    return rights


def test_a_lease_holds_for_all_users(pretend, monkeypatch, other_user):
    """Files of one folder, which others may read: a second user waits for the first one's GPU."""
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o777)
        pretend(1)
        monkeypatch.setattr(leases, "LEASES", Path(shared, "leases"))
        before = os.umask(0o077)
        try:
            with contextlib.ExitStack() as stack:
                assert leased(stack) == 0
                with other_user(), pytest.raises(Interrupted):
                    leased(stack)
            with other_user(), contextlib.ExitStack() as stack:
                assert leased(stack) == 0
                os.seteuid(0)
                with pytest.raises(Interrupted):
                    leased(stack)
        finally:
            os.umask(before)
        assert stat.S_IMODE(Path(shared, "leases").stat().st_mode) == 0o1777


def test_folder_and_files_are_open_to_all_from_the_start(pretend, monkeypatch):
    """A kill or another user may come between making and changing rights: nothing is changed."""
    pretend(1)
    monkeypatch.setattr(os, "chmod", failed)
    monkeypatch.setattr(os, "fchmod", failed)
    before = os.umask(0o077)
    try:
        with contextlib.ExitStack() as stack:
            assert leased(stack) == 0
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    for name in ("GPU-0", "GPU-0-0", "GPU-0-7"):
        assert stat.S_IMODE((leases.LEASES / name).stat().st_mode) == 0o644
    assert stat.S_IMODE(leases.LEASES.stat().st_mode) == 0o1777


def test_a_cleaner_finds_the_folder_locked_and_its_files_new(pretend):
    """systemd-tmpfiles leaves out a folder that it cannot lock; others go by age."""
    pretend(1)
    with contextlib.ExitStack() as stack:
        leased(stack)
    for file in leases.LEASES.iterdir():
        os.utime(file, (0, 0))
    with contextlib.ExitStack() as stack:
        leased(stack)
        cleaner = os.open(leases.LEASES, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file in leases.LEASES.iterdir():
            assert file.stat().st_mtime > 1e9
    fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(cleaner)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lease_file_removed_before_it_is_locked_is_opened_again(pretend, monkeypatch, replaced):
    pretend(1)
    flock = fcntl.flock

    def removed_first(descriptor, lock):
        if (leases.LEASES / "GPU-0").exists():
            monkeypatch.setattr(fcntl, "flock", flock)
            (leases.LEASES / "GPU-0").unlink()
            if replaced:
                (leases.LEASES / "GPU-0").touch()
        flock(descriptor, lock)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    with contextlib.ExitStack() as stack:
        assert leased(stack) == 0
        with (leases.LEASES / "GPU-0").open() as other, pytest.raises(BlockingIOError):
            flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("kind", ["a link", "a file", "another's"])
def test_without_a_shared_folder_a_user_has_one_of_its_own(
    pretend, monkeypatch, tmp_path, capsys, kind
):
    pretend(1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if kind == "a link":
        (tmp_path / "elsewhere").mkdir()
        leases.LEASES.symlink_to(tmp_path / "elsewhere")
    elif kind == "a file":
        leases.LEASES.touch()
    else:
        monkeypatch.setattr(leases, "LEASES", Path("/proc/leases"))
    with contextlib.ExitStack() as stack:
        assert leased(stack) == 0
        with pytest.raises(Interrupted):
            leased(stack)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"device: {leases.LEASES} cannot be used (")
    names = [path.name for path in (tmp_path / f"actstudy-gpus-{os.getuid()}").iterdir()]
    assert sorted(names) == ["GPU-0", *(f"GPU-0-{part}" for part in range(8)), "GPU-0-next"]


def test_older_names_of_mig_devices_are_leased(pretend):
    pretend(0)
    host.gpus = lambda: ["MIG-GPU-5c3/1/0"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(devices.lease("cuda", leases.Slots(), lambda: True))
        assert (leases.LEASES / "MIG-GPU-5c3_1_0").is_file()


@pytest.mark.parametrize(
    ("busy", "processes", "expected"),
    [
        ("0\n", "", host.Load(0, 0)),
        ("97\n", "485\n558\n", host.Load(2, 97)),
        ("[N/A]\n", "", None),
        ("", "", None),
        ("1\n", "[Not Supported]\n", host.Load(0, 1)),
    ],
)
def test_the_load_of_a_gpu(tmp_path, monkeypatch, busy, processes, expected):
    script = (
        f"#!/bin/sh\ncase $1 in *utilization*) printf '{busy}';; *) printf '{processes}';; esac\n"
    )
    (tmp_path / "nvidia-smi").write_text(script)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert host.load("GPU-0") == expected


def test_without_nvidia_smi_the_load_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.load("GPU-0") is None


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([host.Load(1, 0)], False),
        ([host.Load(0, 4)], False),  # other processes are hidden
        ([None], None),
        ([host.Load(2, 90), host.Load(1, 60), host.Load(1, 1)], False),  # of the run before
        ([host.Load(2, 90)] * devices.SETTLING, True),
        ([host.Load(0, 90)] * devices.SETTLING, True),
    ],
)
def test_another_process_on_a_gpu_is_seen_before_the_training(monkeypatch, loads, expected):
    coming = iter(loads)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-0")
    monkeypatch.setattr(host, "load", lambda _: next(coming))
    monkeypatch.setattr(devices.time, "sleep", lambda _: None)
    assert devices.in_use(torch.device("cuda", 0), slots=1) is expected
    assert not list(coming)


def test_nothing_is_asked_on_a_cpu_and_where_runs_share(monkeypatch):
    monkeypatch.setattr(host, "load", failed)
    assert devices.in_use(torch.device("cpu"), slots=1) is None
    assert devices.in_use(torch.device("cuda", 0), slots=2) is None
    assert devices.in_use_still(None) is None
    assert devices.in_use_still(True) is True


@pytest.mark.parametrize(
    ("load", "expected"), [(host.Load(1, 99), False), (host.Load(2, 99), True), (None, False)]
)
def test_another_process_on_a_gpu_is_seen_after_the_training(monkeypatch, load, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-0")
    monkeypatch.setattr(host, "load", lambda _: load)
    assert devices.in_use_still(False) is expected


@pytest.mark.parametrize("moment", ["in_use", "in_use_still"])
def test_a_run_beside_another_process_is_not_timed(train, monkeypatch, moment):
    monkeypatch.setattr(devices, moment, lambda *_: True)
    row = run_row(train("a"))
    assert row["gpu_in_use"]
    assert not row["timing_clean"]


def test_the_page_says_which_gpus_were_in_use():
    rows = {"slots_per_gpu": [1, 1, 1, 4, None], "gpu_in_use": [True, False, None, None, None]}
    frame = pd.DataFrame(rows, dtype=object)
    tables = types.SimpleNamespace(of=lambda *_: frame)
    assert compute_tables.gpu_use(tables, "mlp") == (
        "Not timed, because another process used their GPU: 1 of 3 runs. "
        "Timed, though it is not known whether another process used their GPU: 1 of 3 runs."
    )
    frame = frame[2:].assign(timing_clean=False)
    assert compute_tables.gpu_use(tables, "mlp") == ""
    assert compute_tables.shares_of_packs(tables, "mlp") == ""
    frame = frame.assign(pack="a1")
    assert "equal share of the pack's" in compute_tables.shares_of_packs(tables, "mlp")


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({}, "", 64),
        ({"cpu.max": "max 100000"}, "0::/", 64),
        ({"cpu.max": "250000 100000"}, "0::/", 2),
        ({"cpu.max": "50000 100000"}, "0::/", 1),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, "0::/a/b", 3),
        ({"cpu.max": "300000 100000"}, "0::/hidden/by/the/container", 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/", 64),
        (
            {"cpu/j/cpu.cfs_quota_us": "400000", "cpu/j/cpu.cfs_period_us": "100000"},
            "9:memory:/m\n4:cpu,cpuacct:/j\n0::/",
            4,
        ),
        ({"cpu.max": "nonsense"}, "0::/", 64),
    ],
)
def test_cores_are_those_of_the_job(tmp_path, monkeypatch, files, own, expected):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(host, "CGROUPS", tmp_path)
    monkeypatch.setattr(host, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    assert host.cores() == expected
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "2")
    assert host.cores() == min(2, expected)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    assert host.cores() == 1


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({}, "", 2**34),
        ({"memory.max": "max"}, "0::/", 2**34),
        ({"memory.max": "1073741824"}, "0::/", 2**30),
        ({"a/b/memory.max": "max", "a/memory.max": "2147483648"}, "0::/a/b", 2**31),
        ({"memory.max": "1073741824"}, "0::/hidden/by/the/container", 2**30),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, "4:memory:/", 2**34),
        ({"memory/j/memory.limit_in_bytes": "1073741824"}, "9:cpu:/m\n4:memory:/j", 2**30),
        ({"memory.max": "nonsense"}, "0::/", 2**34),
    ],
)
def test_memory_is_that_of_the_job(tmp_path, monkeypatch, files, own, expected):
    """Of a machine of 16 GiB; a container's limit is no part of what psutil reads."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(host, "CGROUPS", tmp_path)
    monkeypatch.setattr(host, "OWN_CGROUPS", tmp_path / "own")
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**34 // 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    assert host.memory() == expected
    inputs.memory.cache_clear()
    assert inputs.memory(torch.device("cpu")) == expected
    inputs.memory.cache_clear()


def test_a_device_that_disappears_is_a_row_with_one_line(train, monkeypatch):
    def lost(*_):
        raise RuntimeError(
            "CUDA error: the GPU is lost\nCUDA kernel errors might be asynchronously reported."
        )

    monkeypatch.setattr("actstudy.training.run.fit", lost)
    row = run_row(train("a"))
    assert (row["status"], row["reason"]) == (
        "failed",
        "RuntimeError: CUDA error: the GPU is lost",
    )


def test_runs_that_may_share_a_gpu_are_not_timed(data, tmp_path):
    """Their speeds stay out of comparisons; a CPU has no slots."""
    work = make_job(tiny(), tmp_path, data, torch.device("cpu"), quiet())
    clean = {}
    for kind in ("cpu", "cuda"):
        work.device = torch.device(kind)
        cases = [(1, False), (1, None), (1, True), (4, None)]
        clean[kind] = [accounting(work, 0, *case)["timing_clean"] for case in cases]
    assert clean["cpu"] == [True, True, False, True]
    assert clean["cuda"] == [True, True, False, False]
