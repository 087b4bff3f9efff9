"""Python's place in a forked Snakemake: passes a job on to the server of tests/job_forks.py.

Run by `python -IS`, so that it starts in hundredths of a second.
"""

import json
import os
import signal
import socket
import sys

KILLED = bytes([128 + signal.SIGKILL])

with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.environ["ACTSTUDY_TEST_JOBS"])
    job = {"words": sys.argv[1:], "environment": dict(os.environ)}
    job["folder"] = os.getcwd()  # noqa: PTH109 pathlib takes longer to import than all of this
    text = json.dumps(job).encode()
    socket.send_fds(server, [len(text).to_bytes(8)], [0, 1, 2])
    server.sendall(text)
    answer = server.recv(1)
if answer == KILLED:
    os.kill(os.getpid(), signal.SIGKILL)  # as its job was
sys.exit(answer[0] if answer else 70)
