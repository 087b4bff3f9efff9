RUNS = {run.id: run.spec for run in STUDY.runs}
# A run asks for a GPU only where there is one to ask for; --resources gpu=N says how many run at once.
WANTS_GPU = STUDY.device == "cuda" or (
    STUDY.device == "auto"
    and workflow.resource_settings.resources.get("gpu") != 0
    and Path("/dev/nvidia0").exists()
)
DEVICE = STUDY.device if WANTS_GPU else "cpu"
if STUDY.device == "cuda" and not Path("/dev/nvidia0").exists():
    registry.refuse(
        f"{STUDY.file}: device: got 'cuda', but there is no GPU; allowed: auto, cpu"
    )
if not WANTS_GPU and any(run.spec.precision == "fp16" for run in STUDY.runs):
    registry.refuse(
        f"{STUDY.file}: precision: got 'fp16', but no GPU; allowed: fp32, bf16"
    )


rule train:
    input:
        lambda wildcards: ancient(
            f"results/data/{spec.data_name(RUNS[wildcards.id])}/manifest.json"
        ),
    output:
        [f"results/runs/{{task}}/{{id}}/{name}" for name in store.FILES],
    resources:
        gpu=int(WANTS_GPU),
    params:
        spec=lambda wildcards: spec.canonical(RUNS[wildcards.id]),
    shell:
        "exec {PYTHON:q} -m actstudy train --spec {params.spec:q}"
        " --device {DEVICE} --probe_every {STUDY.probe_every} --quiet"
