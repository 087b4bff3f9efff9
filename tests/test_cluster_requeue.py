"""Jobs that Slurm interrupts: back into the queue, or to another node; its programs are faked."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_slurm import plant
from runs import ROOT

from actstudy.cluster import requeue, slurm
from actstudy.commands import leaving
from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.training import attempt, devices, in_turn
from actstudy.training.settings import Settings

MOVING = """echo "$@" >> asked
about="JobState=RUNNING Restarts={restarts} BatchFlag=1 ExcNodeList={nodes}"
[ "$2" = job ] && echo "JobId=7 $about"
[ "$2" = hostnames ] && echo "{nodes}" | tr , "\\n"
true"""
JOB = (
    "JobState={state} Requeue={requeue} Restarts=2 BatchFlag=1 TimeLimit=00:01:00 PreemptTime={pre}"
)


@pytest.mark.parametrize(
    ("state", "allowed", "preempted", "saved", "sentence", "goes"),
    [
        ("RUNNING", 1, "None", True, "back in the queue, after 2 restarts", True),
        ("RUNNING", 1, "2026-01-01T00:00:00", False, "back in the queue", True),
        ("RUNNING", 1, "None", False, "is up before anything is saved.*larger `runtime`", False),
        ("RUNNING", 0, "None", True, "actstudy-requeue: true", False),
        ("CANCELLED", 1, "None", True, None, False),
    ],
)
def test_an_interrupted_job_goes_back_into_the_queue(
    sound, monkeypatch, state, allowed, preempted, saved, sentence, goes
):
    """Unless it was cancelled, may not, or would begin anew for ever."""
    about = JOB.format(state=state, requeue=allowed, pre=preempted)
    plant(sound, "scontrol", f'echo "$@" >> asked\necho "JobId=7 {about}"')
    assert requeue.back_into_queue(saved) is None  # no job of Slurm's
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    answer = requeue.back_into_queue(saved)
    assert (answer is None) == (sentence is None)
    if sentence:
        assert re.search(sentence, answer)
    assert ("requeue 7" in Path("asked").read_text().splitlines()) == goes


def test_a_gpu_that_fails_moves_its_job_to_another_node(sound, monkeypatch, capsys):
    plant(sound, "scontrol", MOVING.format(restarts=0, nodes="(null)"))
    arguments = passed(no_gpu_answers)
    for name, value in {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StudyError, match="no GPU answers"):
        leaving.status_of(arguments)
    assert Path("asked").read_text() == "show job -o 7\nrequeue 7\nupdate JobId=7 ExcNodeList=n1\n"
    assert "job 7: back in the queue, for another node than n1" in capsys.readouterr().err
    monkeypatch.delenv("SLURM_JOB_ID")
    assert requeue.to_another_node() is None


def passed(run, spec="{}", trains=True) -> argparse.Namespace:
    """The arguments of a command to which the workflow passes a spec."""
    return argparse.Namespace(trains=trains, spec=spec, run=run)


@pytest.mark.parametrize(
    ("restarts", "nodes", "update", "sentence"),
    [
        (1, "n1", "ExcNodeList=n1,n2", "for another node than n1,n2"),
        (4, "n[1,4]", "ExcNodeList=n[1,4],n2", "for another node than n"),
        (9, "n1", "ExcNodeList=n1,n2", "for another node than n1,n2"),  # after time limits
        (5, "n1,n3,n4,n5,n6", None, "not put back, as n1,n3,n4,n5,n6 are left out; n2 fails too"),
    ],
)
def test_bad_nodes_add_up_and_moves_come_to_an_end(
    sound, monkeypatch, restarts, nodes, update, sentence
):
    plant(sound, "scontrol", MOVING.format(restarts=restarts, nodes=nodes))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert sentence in requeue.to_another_node()
    calls = [call for call in Path("asked").read_text().splitlines() if "show" not in call]
    assert calls == (["requeue 7", f"update JobId=7 {update}"] if update else [])


def test_a_cancelled_job_is_not_moved(sound, monkeypatch):
    script = MOVING.format(restarts=0, nodes="(null)")
    plant(sound, "scontrol", script.replace("RUNNING", "CANCELLED"))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert requeue.to_another_node() is None
    assert Path("asked").read_text() == "show job -o 7\n"


def test_a_job_that_is_back_in_the_queue_is_said_to_be(sound, monkeypatch):
    """Also if Slurm does not leave the node out; one that is not put back is not said to be."""
    script = MOVING.format(restarts=0, nodes="(null)")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    plant(sound, "scontrol", f'{script}\n[ "$1" != update ]')
    assert "back in the queue, but n2 could not be left out" in requeue.to_another_node()
    plant(sound, "scontrol", f'{script}\n[ "$1" != requeue ]')
    assert "`scontrol requeue` failed" in requeue.to_another_node()
    assert Path("asked").read_text().splitlines()[-1] == "requeue 7"
    plant(sound, "scontrol", script.replace("BatchFlag=1", "BatchFlag=0"))  # of salloc
    assert requeue.to_another_node() is None


@pytest.mark.parametrize(("trains", "spec"), [(False, "{}"), (True, None)])
def test_what_the_workflow_has_not_passed_is_not_put_back(sound, monkeypatch, trains, spec):
    """A Slurm job of someone's own, and a command that does not train."""
    plant(sound, "scontrol", MOVING.format(restarts=0, nodes="(null)"))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    with pytest.raises(StudyError, match="no GPU answers"):
        leaving.status_of(passed(no_gpu_answers, spec, trains))
    assert leaving.status_of(passed(lambda _: 75, spec, trains)) == 75
    assert not Path("asked").exists()


def no_gpu_answers(_):
    raise devices.Unanswered(RuntimeError("CUDA error: uncorrectable ECC error"), [])


def test_a_controller_that_is_away_loses_nothing(sound, monkeypatch, capsys):
    """An interrupted command still exits with 75, for Snakemake to start it again."""
    plant(sound, "scontrol", "exit 1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert leaving.status_of(passed(lambda _: 75)) == 75
    assert "Snakemake starts it again (retries)" in capsys.readouterr().err
    assert slurm.ask("scontrol") is None
    assert slurm.ask("no-such-program") is None


SLOW = "import pathlib, time\npathlib.Path('importing').touch()\ntime.sleep(60)\n"


@pytest.mark.parametrize(
    ("preempted", "ends"),
    [("2026-01-01T00:00:00", "back in the queue"), ("None", "is up before anything is saved")],
)
def test_a_signal_during_imports_is_not_lost(sound, monkeypatch, tmp_path, preempted, ends):
    """A job that is pre-empted before training begins goes back into the queue too."""
    about = JOB.format(state="RUNNING", requeue=1, pre=preempted)
    plant(sound, "scontrol", f'echo "$@" >> asked\necho "JobId=7 {about}"')
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/pydantic.py").write_text(SLOW)  # which planning imports
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'slow'}:{ROOT / 'lib'}")
    command = [sys.executable, "-m", "actstudy", "train", "--spec", "{}"]
    going = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not Path("importing").exists():
        assert going.poll() is None
        time.sleep(0.02)
    going.send_signal(signal.SIGTERM)
    _, errors = going.communicate(timeout=50)
    assert going.returncode == 75
    assert ends in errors
    went_back = "requeue 7" in Path("asked").read_text().splitlines()
    assert went_back == (preempted != "None")


def test_a_signal_between_two_runs_goes_on_after_the_first(tmp_path, monkeypatch):
    """Runs that a series has trained are something saved; if there is none, nothing is."""
    folders = {tmp_path / name: None for name in "abc"}

    def complete(runs, _settings, _data):
        (folder,) = runs
        if folder.name == "b":
            os.kill(os.getpid(), signal.SIGTERM)
        folder.mkdir(exist_ok=True)
        (folder / store.MANIFEST).touch()
        return 0

    monkeypatch.setattr(attempt, "complete", complete)
    assert in_turn.complete_each(folders, Settings(), tmp_path) == 75
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    (tmp_path / "a" / store.MANIFEST).touch()
    with pytest.raises(SystemExit) as leaving:
        in_turn.complete_each(folders, Settings(), tmp_path)
    assert leaving.value.code == 75
