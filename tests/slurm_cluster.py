"""A real Slurm on one machine: a controller and three nodes, started and stopped in a second.

Two nodes have two GPUs each, which are null devices, one has none. Nothing is written outside of
its folder; programs of Slurm are run through its `bin`, as SLURM_CONF does not reach steps of jobs.

    python tests/slurm_cluster.py start FOLDER    prints what to put on PATH
    python tests/slurm_cluster.py stop FOLDER
"""

import contextlib
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr")
PLACES = f"/usr/sbin:/usr/bin:{os.environ.get('PATH', '')}"  # a `bin` of ours comes last
NODES = ("n1", "n2", "n3")
GPUS = 2  # of n1 and of n2
BEGIN = 20.0  # seconds that daemons may take
TIME = "%Y-%m-%dT%H:%M:%S"  # as Slurm writes it
LAUNCH_FAILED = "launch failed requeued held"
SOON = 2  # seconds that a job waits which went back into the queue

CONFIG = """ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
GresTypes=gpu
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MinJobAge=36000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=DEFAULT CPUs={cpus} RealMemory=8000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} Gres=gpu:null:{gpus}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} Gres=gpu:null:{gpus}
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={n3}
PartitionName=gpu Nodes=n1,n2 Default=YES MaxTime=240 PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=n1,n2 MaxTime=240 PriorityTier=10 PreemptMode=OFF
PartitionName=cpu Nodes=n3 MaxTime=240
"""


def lacks() -> str:
    """Why no Slurm can be started here; empty if one can."""
    missing = [name for name in (*DAEMONS, *CLIENTS) if not program(name)]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge"
    return ""


def program(name: str) -> str | None:
    """The path of one of Slurm's own programs."""
    return shutil.which(name, path=PLACES)


class Cluster:
    """A running Slurm in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.conf = self.folder / "slurm.conf"
        self.bin = self.folder / "bin"

    def start(self) -> None:
        """Write its configuration and start its daemons; RuntimeError if its nodes stay away."""
        self._write()
        munge = self.folder / "munge"
        files = {"key-file": "key", "socket": "socket", "log-file": "log", "seed-file": "seed"}
        words = [f"--{flag}={munge / name}" for flag, name in files.items()]
        self._daemon("munged", "--force", *words, f"--pid-file={self.folder}/munged.pid")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait(lambda: self.ask("sinfo", "-h", "-o", "%T").split() == ["idle"], "idle nodes")

    def start_controller(self) -> None:
        self._daemon("slurmctld")

    def start_node(self, node: str) -> None:
        self._daemon("slurmd", "-N", node)

    def _write(self) -> None:
        for name in ("bin", "state", "munge"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name).chmod(0o755)
        key = self.folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(256))
        key.chmod(0o400)
        for number in range(2 * GPUS):
            _null_device(self.folder / f"gpu{number}")
        gres = [
            f"NodeName={NODES[number // GPUS]} Name=gpu Type=null File={self.folder}/gpu{number}\n"
            for number in range(2 * GPUS)
        ]
        (self.folder / "gres.conf").write_text("".join(gres))
        ports = dict(zip(("port", *NODES), _free_ports(1 + len(NODES)), strict=True))
        host = socket.gethostname().split(".")[0]
        user = pwd.getpwuid(os.getuid()).pw_name
        cpus = os.cpu_count()
        text = CONFIG.format(
            folder=self.folder, host=host, user=user, cpus=cpus, gpus=GPUS, **ports
        )
        self.conf.write_text(text)
        for name in CLIENTS:
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {program(name)} "$@"\n')
            script.chmod(0o755)

    def _daemon(self, name: str, *words: str) -> None:
        # in files: a daemon that kept a pipe of ours would be waited for
        with (self.folder / "daemons.txt").open("a") as output:
            environment = {**os.environ, "SLURM_CONF": str(self.conf)}
            command = [str(program(name)), *words]
            subprocess.run(command, env=environment, check=True, stdout=output, stderr=output)

    def environment(self) -> dict[str, str]:
        """The variables of a process that uses this Slurm."""
        return {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def ask(self, *command: str) -> str:
        """What one of Slurm's programs prints; empty if it fails."""
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def hurry(self) -> None:
        """Let jobs start soon that went back into the queue, where Slurm has them wait two minutes.

        Not within the same second: a node refuses a credential that is not younger than the end
        of the job's last one ("Job credential revoked"), and the job has then failed. A job that
        starts on a node where its last step still ends is held, until somebody releases it.
        """
        soon = time.time() + 2 * SOON
        for job in self.ask("squeue", "-h", "-t", "PD", "-o", "%i|%r|%S").splitlines():
            number, reason, begin = job.split("|")
            if reason == LAUNCH_FAILED:
                self.ask("scontrol", "release", number)
            if reason not in ("BeginTime", "None") or begin == "N/A":
                continue
            if time.mktime(time.strptime(begin, TIME)) > soon:
                self.ask("scontrol", "update", f"JobId={number}", f"StartTime=now+{SOON}")

    def wait(self, is_so, what: str, seconds: float = BEGIN) -> None:
        """Wait until something is so; RuntimeError, with what it was, if it does not come."""
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                raise RuntimeError(f"Slurm in {self.folder}: no {what} within {seconds:g} s")
            time.sleep(0.1)

    def pid(self, name: str) -> int | None:
        """The process of a daemon (`slurmctld`, `slurmd-n1`); None if it does not run."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / f"{name}.pid").read_text())
            os.kill(pid, 0)
            return pid
        return None

    def stop_daemon(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop a daemon and wait until it has left."""
        if pid := self.pid(name):
            os.kill(pid, number)
            self.wait(lambda: self.pid(name) is None, f"end of {name}")

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons."""
        self.ask("scancel", "--full", "--user", pwd.getpwuid(os.getuid()).pw_name)
        with contextlib.suppress(RuntimeError):
            self.wait(lambda: not self.ask("squeue", "-h"), "end of jobs", seconds=15)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld", "munged"):
            with contextlib.suppress(RuntimeError):
                self.stop_daemon(name)


def _null_device(path: Path) -> None:
    """A device that swallows what is written; a file, if making one is not allowed."""
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        path.touch()


def _free_ports(n: int) -> list[int]:
    """Ports below those that the system gives to outgoing connections, at which nobody listens."""
    free: list[int] = []
    for port in random.sample(range(17000, 30000), 40 * n):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == n:
            break
    return free


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A Slurm that runs until the block is left."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


if __name__ == "__main__":
    cluster_there = Cluster(Path(sys.argv[2]))
    if sys.argv[1] == "start":
        if reason := lacks():
            sys.exit(reason)
        cluster_there.start()
        print(cluster_there.bin)
    else:
        cluster_there.stop()
