"""A cluster on which nothing is wrong, as programs of Slurm that tests plant on PATH."""

import os
import sys
from pathlib import Path

import pytest
import yaml
from runs import ROOT

from actstudy.cluster import checks

SOUND = {
    "scontrol": """case "$2" in
config) echo "AccountingStorageEnforce = none"; echo "JobRequeue              = 1";;
partition) echo "PartitionName=gpu PreemptMode=REQUEUE";;
esac""",
    "sinfo": """for word; do case "$word" in
%R) printf "cpu\\ngpu\\n";;
%G) case "$*" in *cpu*) echo "(null)";; *) echo "gpu:a100:4(S:0-1)";; esac;;
%l) echo 1-00:00:00;;
esac; done""",
    "sacctmgr": "exit 1",
}
SRUN = """#!{python}
import json, os, sys
from pathlib import Path
sys.path.insert(0, {lib!r})
from actstudy.cluster import probe
token = Path(sys.argv[-2])
facts = probe.seen(Path(os.environ.get("FAKE_PLACE", token.parent)) / token.name, False)
facts["time"] += float(os.environ.get("FAKE_SECONDS", 0))
print(json.dumps({{**facts, "reached": True, **json.loads(os.environ.get("FAKE_NODE", "{{}}"))}}))
"""
DEFAULTS = ["slurm_partition=gpu", "runtime=60", "mem_mb=2000"]


def planted(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """The folder of the programs; a profile for them is in `folder`, the present one from now."""
    programs = folder / "bin"
    programs.mkdir()
    for name, body in SOUND.items():
        plant(programs, name, body)
    script = programs / "srun"
    script.write_text(SRUN.format(python=sys.executable, lib=str(ROOT / "lib")))
    script.chmod(0o755)
    patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    patch.chdir(folder)
    patch.setattr(checks, "LOCAL", ())  # tests run in one
    patch.setattr(checks, "IN_MEMORY", ())
    write_profile({})
    return programs


def plant(programs: Path, name: str, body: str) -> None:
    script = programs / name
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)


def write_profile(settings: dict, defaults=DEFAULTS) -> None:
    folder = Path("profiles/slurm")
    folder.mkdir(parents=True, exist_ok=True)
    sound = {"executor": "actstudy", "default-resources": list(defaults), "actstudy-requeue": True}
    (folder / "config.yaml").write_text(yaml.safe_dump({**sound, **settings}))
