RUNS = {run.id: run.spec for run in STUDY.possible + STUDY.tuning}
LOCAL = workflow.resource_settings.nodes is None  # else a cluster's nodes run the jobs
GPUS, ASKED = len(host.gpus()), getattr(
    workflow.global_resources.get("gpu"), "value", None
)
# A run asks for a GPU only where there is one to ask for; --resources gpu=N says how many are used.
WANTS_GPU = STUDY.device == "cuda" or (
    STUDY.device == "auto" and ASKED != 0 and GPUS > 0
)
DEVICE = STUDY.device if WANTS_GPU else "cpu"
if LOCAL and STUDY.device == "cuda" and not GPUS:
    errors.refuse(
        f"{STUDY.file}: device: got 'cuda', but there is no GPU; allowed: auto, cpu"
    )
if not WANTS_GPU and any(run.spec.precision == "fp16" for run in STUDY.possible):
    errors.refuse(
        f"{STUDY.file}: precision: got 'fp16', but no GPU; allowed: fp32, bf16"
    )
if LOCAL and WANTS_GPU and ASKED:
    if ASKED > GPUS and workflow.is_main_process:
        print(
            f"actstudy: --resources gpu={ASKED}: this machine has {GPUS}; {GPUS} are used",
            file=sys.stderr,
        )
    workflow.register_resource("gpu", min(ASKED, GPUS) * STUDY.slots_per_gpu)

HOST_FLAGS = f"--slots_per_gpu {STUDY.slots_per_gpu} --probe_every {STUDY.probe_every}"
if STUDY.timeout_minutes:
    HOST_FLAGS += f" --timeout_minutes {STUDY.timeout_minutes:g}"


rule train:
    input:
        lambda wildcards: ancient(
            f"results/data/{spec.data_name(spec_of(wildcards))}/manifest.json"
        ),
    output:
        [f"results/runs/{{task}}/{{id}}/{name}" for name in store.FILES],
    resources:
        gpu=int(WANTS_GPU),
    params:
        spec=lambda wildcards: spec.canonical(spec_of(wildcards)),
    shell:
        "exec {PYTHON:q} -m actstudy train --spec {params.spec:q} --device {DEVICE:q}"
        " {HOST_FLAGS} --quiet"
