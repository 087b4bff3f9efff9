# The workflow of one study: config/config.yaml, or the file given by --configfile.
# No `configfile:` directive stands here: it would merge the default study into every other one.
import json
import os
import sys
from pathlib import Path

from actstudy.contract import host, registry, spec, store, errors
from actstudy.study import looks, packs, planning

if set("{}") & set(str(Path.cwd())):  # snakemake fails where it looks for its locks
    errors.refuse(
        f"{Path.cwd()}: got braces in the project's path; allowed: one without them, as snakemake reads wildcards there"
    )
try:
    STUDY = planning.load(
        os.path.relpath(next(iter(workflow.configfiles[-1:]), "config/config.yaml")),
        workflow.config_settings.config,
    )
except errors.StudyError as fault:
    errors.refuse(fault)

RESULTS = STUDY.folder
PYTHON = sys.executable


include: "workflow/rules/looks.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/packs.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/summary.smk"


# All files are named here: a deleted one would go unnoticed behind a finished summary.
rule all:
    default_target: True
    input:
        f"{RESULTS}/summary.md",
        FIGURES,
        rules.tables.output,
        RUN_FILES,
        KNOWN_FILES,
