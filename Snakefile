# The workflow of one study: config/config.yaml, or the file given by --configfile. In any folder: actstudy run
# There is no `configfile:` directive: it would merge the default study into every other one.
import sys
from pathlib import Path

from snakemake import cli
from snakemake.utils import available_cpu_count

try:
    from actstudy.contract import checkout
except ImportError as fault:
    sys.exit(f"actstudy: {fault}; to mend: make setup && . .venv/bin/activate")
checkout.refuse_other_code(Path(workflow.basedir))  # which may lack what follows

from actstudy.bundles import reported
from actstudy.cluster import needs, profile
from actstudy.contract import demos, errors, home, host, registry, sealed, spec, store
from actstudy.study import (
    certified,
    disk,
    framework_checks,
    jobs,
    looks,
    measuring,
    notices,
    owner,
    packs,
    planning,
    run_files,
    storage_link,
    tries,
)

home.provide(Path(".snakemake/home"))
OPTIONS = None
if workflow.is_main_process:
    OPTIONS = cli.get_argument_parser().parse_args(sys.argv[1:])
ARE_RUN = OPTIONS is None or jobs.are_run(OPTIONS)
CONFIG = workflow.config_settings.config  # the pairs of --config
try:
    checkout.check_path(Path.cwd())
    STUDY = planning.load(
        checkout.study_path(Path([checkout.DEFAULT_STUDY, *workflow.configfiles][-1])),
        CONFIG,
    )
    owner.check_owner(STUDY)
    owner.check_targets(STUDY, sys.argv[1:])
    JOBS = jobs.plan_jobs(
        STUDY,
        gpus=len(host.gpus()),
        gpu_limit=getattr(workflow.global_resources.get("gpu"), "value", None),
        local=workflow.resource_settings.nodes is None
        and not workflow.remote_exec,  # no cluster's nodes run the jobs
        config=CONFIG,
        are_run=ARE_RUN,
    )
    if not workflow.remote_exec:  # a node writes what its job asks for
        run_files.check_targets(JOBS, sys.argv)
    MEMBERS = {
        name: packs.to_json(members)
        for name, members in [*JOBS.packs.items(), *JOBS.series.items()]
    }
    checkout.check_words(Path.cwd(), MEMBERS.values())
    AMISS = run_files.amiss(STUDY)
    if workflow.storage_registry.default_storage_provider:
        AMISS = run_files.Amiss({}, {})  # a run is one file there
    jobs.check_sources(STUDY)
    framework_checks.check_installed(STUDY.possible + STUDY.tuning, STUDY.file)
    profile.check_resources(workflow.resource_settings, sys.argv)
    if workflow.is_main_process and ARE_RUN:
        disk.check_room(STUDY)
except (errors.StudyError, store.Damaged) as fault:
    errors.refuse(fault)
if workflow.is_main_process and STUDY.folder != tries.results_folder(STUDY.name):
    print(f"actstudy: this try writes to {STUDY.folder}", file=sys.stderr)
if workflow.is_main_process:
    for notice in filter(None, [JOBS.notice, *notices.notices(STUDY)]):
        print(f"actstudy: {notice}", file=sys.stderr)
if JOBS.slots is not None:
    workflow.register_resource("gpu", JOBS.slots)
    # more jobs than GPUs, of which each could take one alone
    if STUDY.slots_per_gpu == "auto":
        host.use_only(JOBS.slots // host.GPU_PARTS)
if workflow.resource_settings.cores == available_cpu_count():  # `all`, quotas left out
    workflow.register_resource("_cores", host.cores())

# What training jobs ask a cluster for; nothing on one machine.
OF_ALL_JOBS = getattr(workflow.resource_settings.default_resources, "args", [])
NEEDS = needs.Needs(
    needs.defaults(OF_ALL_JOBS),
    JOBS.specs,
    partition=profile.pairs(OF_ALL_JOBS).get("slurm_partition", ""),
)
RESULTS = STUDY.folder
PYTHON = sys.executable
SCRIPTS = f"{workflow.basedir}/workflow/scripts"


if workflow.is_main_process:

    onerror:
        if STORE is None:
            run_files.publish_ended(JOBS)
        if workflow.resource_settings.nodes is not None:
            print(
                "actstudy: the study did not finish; once the lines above are mended, the same "
                "command goes on",
                file=sys.stderr,
            )


if workflow.resource_settings.nodes is not None and workflow.is_main_process:

    onsuccess:
        if Path(f"{RESULTS}/summary.md").is_file():
            print(f"Summary: {RESULTS}/summary.md", file=sys.stderr)


include: "workflow/rules/storage.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/looks.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/parity.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/packs.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/guide.smk"
include: "workflow/rules/summary.smk"
include: "workflow/rules/explorer.smk"
include: "workflow/rules/demos.smk"
include: "workflow/rules/report.smk"


if STORE:
    workflow.localrules(
        *[r.name for r in workflow.rules if not r.name.startswith(SENT)]
    )


# All files are named here: a deleted one would go unnoticed behind a finished summary. Tables of runs
# that are gone are so here alone, as rules with outputs are run again if their inputs come and go.
rule all:
    default_target: True
    input:
        f"{RESULTS}/summary.md",
        f"{RESULTS}/details.md",
        f"{RESULTS}/explorer.html",
        *REPORTED,
        rules.claims.output if STUDY.ledger else [],
        stored(list(JOBS.measured.values())),
        PAGE_FIGURES.values(),
        LOST_FIGURES,
        rules.tables.output,
        wanted_runs,
        run_files_of(STUDY.first),
        run_files.paths(AMISS.gone),
