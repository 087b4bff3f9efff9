# The workflow of one study: config/config.yaml, or the file given by --configfile.
# There is no `configfile:` directive: it would merge the default study into every other one.
import os
import sys
from pathlib import Path

from snakemake.utils import available_cpu_count

from actstudy.contract import errors, host, registry, spec, store
from actstudy.study import jobs, looks, owner, packs, planning

if set("{}") & set(str(Path.cwd())):  # snakemake would fail when it looks for its locks
    errors.refuse(
        f"{Path.cwd()}: got braces in the project's path; "
        "allowed: one without them, as snakemake reads wildcards there"
    )
CONFIG = workflow.config_settings.config  # the pairs of --config
try:
    STUDY = planning.load(
        os.path.relpath(next(iter(workflow.configfiles[-1:]), "config/config.yaml")),
        CONFIG,
    )
    owner.check_owner(STUDY)
    JOBS = jobs.plan_jobs(
        STUDY,
        gpus=len(host.gpus()),
        gpu_limit=getattr(workflow.global_resources.get("gpu"), "value", None),
        local=workflow.resource_settings.nodes
        is None,  # no cluster's nodes run the jobs
        config=CONFIG,
    )
except errors.StudyError as fault:
    errors.refuse(fault)
if JOBS.notice and workflow.is_main_process:
    print(f"actstudy: {JOBS.notice}", file=sys.stderr)
if JOBS.slots is not None:
    workflow.register_resource("gpu", JOBS.slots)
if workflow.resource_settings.cores == available_cpu_count():  # `all`, quotas left out
    workflow.register_resource("_cores", host.cores())

RESULTS = STUDY.folder
PYTHON = sys.executable


include: "workflow/rules/inputs.smk"
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
        run_files,
        STUDY.files_of(STUDY.first),
