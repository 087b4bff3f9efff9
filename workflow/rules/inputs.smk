# The runs of a study are known from the start, except for looks at more seeds and chosen learning
# rates. Input functions await these decisions: snakemake calls them again after each.


def wanted_runs(wildcards):
    for task in STUDY.with_rates:
        checkpoints.rates.get(task=task)
    for task in STUDY.with_looks:
        checkpoints.look.get(task=task, look=len(looks.LOOKS))
    return run_files_of(STUDY.tuning + STUDY.runs())


# A look asks for its runs only if the one before it has left something undecided; if not, it
# repeats that one.
def look_files(wildcards):
    task = wildcards.task
    look = int(wildcards.look)
    files = []
    if look > 1:
        files += checkpoints.look.get(task=task, look=look - 1).output
        if looks.decision(RESULTS, task, f"look{look - 1}")["decided"]:
            return files
    if task in STUDY.with_rates:
        files += checkpoints.rates.get(task=task).output
    return files + run_files_of(STUDY.look_runs(task, look))


def spec_of(wildcards):
    try:
        return JOBS.spec(wildcards.id)
    except errors.StudyError as fault:
        errors.refuse(fault)


def inputs_of(wildcards):
    spec_of(wildcards)  # refused if it is no run of this study
    return data_files(JOBS.inputs(wildcards.id))
