"""Keras on each back end: tests/keras in a process of its own, as a process has one back end.

It is a fork of this one, as are the processes that it starts: none has imported Keras.
"""

import importlib
import os
import sys
from functools import partial

import forks
import job_forks
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
    words = ["tests/keras", "-p", "no:xdist", "-q", "-x", "--framework", framework]
    words += ["-p", "no:cacheprovider", f"--basetemp={tmp_path / 'of'}"]
    done = forks.forked(words, partial(work, words))
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def work(words):
    """Run pytest here, where the processes that it starts are forks of this one, too."""
    assert "keras" not in sys.modules, "it has its back end already"
    importlib.import_module("torch._dynamo")  # as Keras does on torch, in each of them
    os.chdir(ROOT)
    for name in [name for name in sys.modules if name.startswith("test_")]:
        del sys.modules[name]  # those of tests/keras have names of others
    with job_forks.served() as python:
        os.environ["ACTSTUDY_TEST_PYTHON"] = python
        sys.exit(pytest.main(words))
