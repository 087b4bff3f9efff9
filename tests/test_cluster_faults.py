"""Jobs that failed on a cluster: what is said of them, and what stays whole."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from runs import ROOT

from actstudy.cluster import logs
from actstudy.contract import store


def test_status_names_the_logs_of_jobs_that_failed(tmp_path):
    """The reason of ours before Slurm's; logs without one are of jobs that run."""
    for number, text in enumerate(
        [
            "Job stats:\nactstudy: results/x: No space left on device\nsrun: error: n1: task 0",
            "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***",
            "Building DAG of jobs...",
            "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=8.0",
            "Slurm job 9: back in the queue, after 0 restarts\nsrun: error: n1: task 0: Exited",
        ]
    ):
        path = tmp_path / f"rule_train/mlp_{number}/{number}.log"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        os.utime(path, (number, number))
    assert [line.partition(".log: ")[2] for line in logs.describe(tmp_path)] == [
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=8.0",
        "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***",
        "actstudy: results/x: No space left on device",
    ]
    again = tmp_path / "rule_train/mlp_0/9.log"
    again.write_text("actstudy: another reason")
    (newest, *_) = logs.describe(tmp_path)
    assert newest == f"a job of Slurm's: {again}: actstudy: another reason"
    assert len(list(logs.describe(tmp_path))) == 3
    assert list(logs.describe(tmp_path / "missing")) == []


def test_a_log_that_goes_while_it_is_read_is_left_out(tmp_path, monkeypatch):
    """The plug-in removes those of jobs that went well; no more are read than are named."""
    for number in range(9):
        path = tmp_path / f"{number}/{number}.log"
        path.parent.mkdir()
        path.write_text(f"actstudy: {number}")
        os.utime(path, (number, number))
    opened = []
    reason = logs.reason

    def late(path):
        opened.append(path.name)
        if path.name == "7.log":
            path.unlink()
        return reason(path)

    monkeypatch.setattr(logs, "reason", late)
    (tmp_path / "gone.log").symlink_to(tmp_path / "nothing")
    *named, rest = logs.describe(tmp_path)
    assert [line.rpartition(": ")[2] for line in named] == ["8", "6", "5", "4", "3"]
    assert opened == [f"{number}.log" for number in (8, 7, 6, 5, 4, 3)]
    assert rest == f"3 older logs in {tmp_path} were not read"


def test_two_users_on_one_results_folder(tmp_path):
    """A folder of another user's that may not be written is one line with its file."""
    if os.getuid():
        pytest.skip("only root may act as two users")
    tmp_path.chmod(0o755)
    (tmp_path / "mlp").mkdir()
    code = (
        f"import sys, os; sys.path.insert(0, {str(ROOT / 'lib')!r})\n"
        "from pathlib import Path\nfrom actstudy.contract import errors, locks\n"
        "os.setuid(65534)\n"
        f"try:\n    with locks.locked(Path({str(tmp_path / 'mlp/run')!r})): pass\n"
        "except OSError as error:\n    print(errors.system_fault(error))"
    )
    for folder in tmp_path.parents:  # pytest's own are the user's alone
        if folder == Path("/tmp"):
            break
        folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/mlp/.locks: Permission denied")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_leaves_nothing_half_written(tmp_path, monkeypatch, number):
    """What was there stays, and the file is named."""
    place = tmp_path / "note.json"
    place.write_text("old")

    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=os.strerror(number)), store.replacing(place) as draft:
        Path(draft).write_text("new")
    assert place.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
