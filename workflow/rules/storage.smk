# Object storage (docs/storage.md): with --default-storage-provider the files that jobs leave for jobs
# on other machines are there; decisions, tables, figures and pages are made of them where you are.
from snakemake.storage import flag_with_storage_object

STORE = workflow.storage_registry.default_storage_provider
PREFIX = (workflow.storage_settings.default_storage_prefix or "").rstrip("/")
RUN_FILE = sealed.NAME if STORE else store.MANIFEST  # what stands for a run
HOST_FLAGS = f"{JOBS.host_flags} --sealed" if STORE else JOBS.host_flags


# Which rules' jobs go to other machines; those of all others run where snakemake does.
SENT = (
    "train",
    "pack_",
    "series_",
    "prepare",
    "reference",
    "boundaries",
    "parity",
    "measure",
)


def object_of(path):
    return STORE.object(f"{PREFIX}/{path}")


def stored(path):
    """A file of the storage, if there is one."""
    if STORE is None or not isinstance(path, str):
        return path if STORE is None else [stored(item) for item in path]
    return flag_with_storage_object(path, object_of(path))


def data_files(manifests):
    """Prepared data as inputs of jobs: their manifest alone, which in a storage is the folder.

    manifests: these, and other files, which stay as they are.
    """
    if STORE is None:
        return manifests
    data = f"{store.DATA}/"
    return [
        stored(str(Path(file).parent) if file.startswith(data) else file)
        for file in manifests
    ]


def data_output(data):
    """What preparing data leaves: in a storage all of it, here its manifest."""
    folder = f"{store.DATA}/{data}"
    return f"{folder}/{store.MANIFEST}" if STORE is None else stored(directory(folder))


def run_files_of(runs):
    """What stands for some runs."""
    manifests = STUDY.files_of(runs)
    if STORE is None:
        return manifests
    return [stored(str(Path(file).with_name(RUN_FILE))) for file in manifests]


def fetch_members():
    """Get the finished runs of jobs of several, which Snakemake's `update` expects on this disk.

    On a node: those of its own job.
    """
    for kind, jobs_of in [("pack", JOBS.packs), ("series", JOBS.series)]:
        for name, members in jobs_of.items():
            is_asked = any(f"{kind}_{name}" in word for word in sys.argv)
            if workflow.remote_exec and not is_asked:
                continue
            for run in members:
                file = store.run_folder(run) / sealed.NAME
                if not file.is_file() and object_of(file).exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    object_of(file).retrieve_object()


def remove_halves():
    """Remove prepared data of the study that are in the storage in part."""
    for data in sorted(set(map(spec.data_name, JOBS.specs.values()))):
        folder = store.DATA / data
        if storage_link.remove_half(folder, object_of(folder)):
            print(
                f"actstudy: {PREFIX}/{folder}: was there in part; it is prepared again",
                file=sys.stderr,
            )


if STORE:
    STORE.keep_local = True  # else prepared data would come anew for each job
    # Snakemake would put every file there: what is not `stored` is of this machine.
    workflow.modifier.path_modifier.apply_default_storage = lambda path: path
    storage_link.keep_objects(type(object_of(store.RESULTS)))
    try:
        storage_link.join(Path(object_of(store.RESULTS).local_path()))
        with storage_link.reaching(PREFIX):
            if workflow.is_main_process:
                object_of(store.RESULTS).exists()  # else Snakemake's traceback says it
            if workflow.is_main_process and ARE_RUN:
                storage_link.remove_cleared(store.RUNS, object_of)
                remove_halves()
            if workflow.remote_exec or (workflow.is_main_process and ARE_RUN):
                fetch_members()
    except errors.StudyError as fault:
        errors.refuse(fault)
