"""Keras on each back end: tests/keras in a process of its own, as a process has one back end."""

import os
import subprocess
import sys

import pytest
from runs import ROOT

from actstudy.contract import frameworks

SWITCH = "ACTSTUDY_KERAS"  # asks for the back ends that compile, which takes minutes each
QUICK = "keras-torch"  # compiles nothing


@pytest.mark.parametrize("framework", frameworks.FRAMEWORKS)
def test_keras_computes_what_torch_does(framework, tmp_path):
    if framework != QUICK and SWITCH not in os.environ:
        pytest.skip(f"takes minutes; {SWITCH}=1 runs it")
    if absent := frameworks.missing(framework):
        pytest.skip(f"{framework}: {', '.join(absent)} not installed")
    command = [sys.executable, "-m", "pytest", "tests/keras", "-p", "no:xdist", "-q", "-x"]
    command += ["--framework", framework, "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'of'}"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'lib'}:{ROOT / 'tests'}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
