"""Jobs of a forked Snakemake, forked too: each as isolated as a new process, without its imports.

A job's `python` is a program that passes its words, streams and environment on to a server, which
has imported what jobs need; it forks a child per job, which imports the project's code anew.
"""

import contextlib
import functools
import importlib
import json
import os
import runpy
import selectors
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib.pyplot  # what jobs import later on
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.stats  # noqa: F401
import torch  # noqa: F401
import vl_convert
from forks import become

from actstudy.analysis.explorer import page

CLIENT = Path(__file__).with_name("job_client.py")
PLACE = "ACTSTUDY_TEST_JOBS"
OWN = (  # imported anew, from a copy
    "actstudy",
    "snakemake_executor_plugin_actstudy",
    "snakemake_logger_plugin_actstudy",
)
LATE = (  # what few jobs import
    "altair",
    "matplotlib.backends.backend_pdf",
    "pandas.io.formats.style",
    "pyarrow.dataset",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.model_selection",
)


@functools.cache
def prepare() -> None:
    """Have what all jobs of this process and of its children would import or make anew."""
    for name in LATE:
        importlib.import_module(name)
    vl_convert.javascript_bundle = functools.cache(vl_convert.javascript_bundle)
    vl_convert.javascript_bundle(page.EXPOSED)


def forget_project() -> None:
    """No module of the project is imported any more."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]


@contextlib.contextmanager
def served(nested: bool = False, anew: bool = False) -> Iterator[str]:
    """While the block runs, a server of jobs: the program that is their `python`.

    nested: whether it is that of the jobs of a job, too; anew: whether jobs import the project's
    code from their own PYTHONPATH, and not from this process's.
    """
    with tempfile.TemporaryDirectory(prefix="jobs") as name:
        program = Path(name) / "python"
        words = shlex.join([sys.executable, "-IS", str(CLIENT)])
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o700)
        os.environ[PLACE] = str(Path(name) / "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.environ[PLACE])
            listener.listen()
            read_end, write_end = os.pipe()
            server = os.fork()
            if server == 0:
                os.close(write_end)
                sys.executable = str(program) if nested else sys.executable
                become(partial(_serve, listener, read_end, anew))
        os.close(read_end)
        try:
            yield str(program)
        finally:
            os.close(write_end)  # as the system does if this process is killed
            os.waitpid(server, 0)


def _serve(listener: socket.socket, read_end: int, anew: bool) -> None:
    """Fork a child per job until the process that waits for the jobs has ended.

    A job whose client is killed is killed with it.
    """
    if anew:
        forget_project()
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(read_end, selectors.EVENT_READ)
    clients: dict[int, tuple[int, socket.socket]] = {}
    jobs: dict[socket.socket, int] = {}
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        for process in ready & clients.keys():
            selector.unregister(process)
            pid, client = clients.pop(process)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if jobs.pop(client, None):
                selector.unregister(client)
                client.sendall(bytes([code if code >= 0 else 128 - code]))
            client.close()
            os.close(process)
        for client in ready & jobs.keys():  # it has ended, as it sends no more
            selector.unregister(client)
            os.kill(jobs.pop(client), signal.SIGKILL)
        if listener in ready:
            client, _ = listener.accept()
            pid = _start(client, anew)
            if not pid:
                client.close()
                continue
            process = os.pidfd_open(pid)
            clients[process] = (pid, client)
            jobs[client] = pid
            selector.register(process, selectors.EVENT_READ)
            selector.register(client, selectors.EVENT_READ)
        if read_end in ready:
            return


def _start(client: socket.socket, anew: bool) -> int:
    """Fork the job that a client asks for; returns its process, 0 if the client was killed."""
    size, streams, _, _ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as words:
        text = words.read(int.from_bytes(size))
    if not text or len(text) < int.from_bytes(size):
        return 0
    job = json.loads(text)
    pid = os.fork()
    if pid == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        if anew:
            own_path = job["environment"].get("PYTHONPATH")
            sys.path[:0] = own_path.split(os.pathsep) if own_path else []
        become(_job(job))
    for stream in streams:
        os.close(stream)
    return pid


def _job(job: dict) -> Callable[[], None]:
    """What a Python that is started with a job's words does."""

    def run() -> None:
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        matplotlib.rcdefaults()
        if "snakemake.shell" in sys.modules:  # a job may start Snakemake in turn
            sys.modules["snakemake.shell"].STDOUT = sys.stdout  # which it has read at its import
        program, *arguments = job["words"]
        sys.orig_argv = [sys.executable, *job["words"]]
        if program == "-m":
            sys.argv = arguments
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        elif program == "-c":
            sys.argv = ["-c", *arguments[1:]]
            exec(arguments[0], {"__name__": "__main__"})
        else:
            sys.argv = job["words"]
            sys.path[0] = str(Path(program).parent)
            runpy.run_path(program, run_name="__main__")

    return run
