# Which runs a study wants: known from the start, but for looks at more seeds and for chosen learning rates.
LAST_LOOK = len(looks.LOOKS)
LAST_DECISIONS = [
    str(looks.path(RESULTS, task, what))
    for tasks, what in (
        (STUDY.with_rates, "lr"),
        (STUDY.with_looks, f"look{LAST_LOOK}"),
    )
    for task in tasks
]


def files_of(runs):
    names = [
        f"results/runs/{run.spec.task}/{run.id}/{name}"
        for run in runs
        for name in store.FILES
    ]
    return list(dict.fromkeys(names))  # a chosen rate may be the fixed one: one run


def spec_of(wildcards):
    if wildcards.id not in RUNS:
        near = errors.nearest(wildcards.id, RUNS)
        errors.refuse(
            f"{STUDY.file}: got run {wildcards.id!r}; allowed: a run of this study{near}"
        )
    return RUNS[wildcards.id]


def wanted_files(wildcards):
    for task in STUDY.with_rates:
        checkpoints.rates.get(task=task)
    for task in STUDY.with_looks:
        checkpoints.look.get(task=task, look=LAST_LOOK)
    return files_of(STUDY.tuning + STUDY.runs())


def look_files(wildcards):
    task, look = wildcards.task, int(wildcards.look)
    before = []
    if look > 1:
        before = [*checkpoints.look.get(task=task, look=look - 1).output]
        if looks.decision(RESULTS, task, f"look{look - 1}")["decided"]:
            return before
    if task in STUDY.with_rates:
        before += [*checkpoints.rates.get(task=task).output]
    return before + files_of(STUDY.look_runs(task, look))


RUN_FILES = wanted_files if LAST_DECISIONS else files_of(STUDY.runs())
KNOWN_FILES = files_of(STUDY.first) if LAST_DECISIONS else []
OVERRIDES = json.dumps(workflow.config_settings.config, sort_keys=True)

if STUDY.with_rates:

    checkpoint rates:
        input:
            lambda wildcards: files_of(
                run for run in STUDY.tuning if run.spec.task == wildcards.task
            ),
        output:
            f"{RESULTS}/plan/{{task}}-lr.json",
        params:
            question=lambda wildcards: STUDY.question(wildcards.task),  # a changed margin is decided anew
        shell:
            "exec {PYTHON:q} -m actstudy decide {wildcards.task:q} lr --config {STUDY.file:q} --overrides {OVERRIDES:q}"


if STUDY.with_looks:

    # A look asks for its runs only where the one before it has left something open; if not, it repeats that one.
    checkpoint look:
        input:
            look_files,
        output:
            f"{RESULTS}/plan/{{task}}-look{{look}}.json",
        wildcard_constraints:
            look=r"\d",
        params:
            question=lambda wildcards: STUDY.question(wildcards.task),  # a changed margin is decided anew
        shell:
            "exec {PYTHON:q} -m actstudy decide {wildcards.task:q} look{wildcards.look:q} --config {STUDY.file:q}"
            " --overrides {OVERRIDES:q}"
