"""What goes into a study's bundle: name -> file. Names are paths from the study's folder on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from actstudy.bundles import seals
from actstudy.contract import (
    checkout,
    code,
    frameworks,
    own,
    own_code,
    parity,
    sources,
    store,
)
from actstudy.contract.spec import data_name
from actstudy.study import measuring, owner
from actstudy.study.grid import PlannedRun
from actstudy.study.planning import Study

PAGES = (
    *("summary.md", "details.md", "appendix.md", "claims.md"),
    *("explorer.html", "boundaries.parquet"),
)
FOLDERS = ("tables", "figures", "plan")  # of a study's results, with all files in them
DOCUMENTS = ("statistics", "metrics", "health", "commands", "bundles")  # that pages link
CONSTRAINTS = Path("envs/constraints.txt")
Files = dict[str, Path]


@dataclass(frozen=True)
class Finished:
    """The runs of a study that are published and sealed, and those whose seal does not verify."""

    folders: dict[str, Path]  # run -> its folder
    planned: int
    damaged: list[str]


def finished(study: Study) -> Finished:
    """The runs of a study, those that chose learning rates too, as they are now."""
    runs = runs_of(study)
    folders = {}
    damaged = []
    for run in runs:
        folder = store.run_folder(run.spec)
        if store.verifies(folder) and (folder / seals.SPEC).is_file():
            folders[run.id] = folder
        elif (folder / store.MANIFEST).is_file():
            damaged.append(str(folder))
    return Finished(folders, len(runs), damaged)


def runs_of(study: Study) -> list[PlannedRun]:
    """Every run of a study that its decisions ask for by now, each once."""
    return list({run.id: run for run in study.tuning + study.runs()}.values())


def page_files(study: Study) -> Files:
    """The study's page with its figures and tables, empty if there are no tables."""
    results = Path(study.folder)
    if not (results / owner.PLANS[0]).is_file():
        return {}
    paths = [results / name for name in PAGES]
    for folder in FOLDERS:
        paths += sorted((results / folder).rglob("*"))
    return {path.as_posix(): path for path in paths if path.is_file() and not is_hidden(path)}


def is_hidden(path: Path) -> bool:
    """Whether a file is a draft, or another one that a listing leaves out."""
    return any(part.startswith(".") for part in path.parts)


def shared_files(study: Study) -> Files:
    """What a study needs besides its results and runs: config, own code, scores, documents."""
    own = Path(study.file)
    config = {name_of(own): checkout.source_of(own)}
    if study.ledger:
        folder = Path(study.ledger["folder"])
        for path in sorted(checkout.source_of(folder).glob("*.yaml")):
            config[name_of(folder / path.name)] = path
    files = config | own_code_of(study) | {path.as_posix(): path for path in scores_of(study)}
    for path in (CONSTRAINTS, *(Path(f"docs/{name}.md") for name in DOCUMENTS)):
        files[path.as_posix()] = checkout.ROOT / path
    return {name: path for name, path in files.items() if path.is_file()}


def own_code_of(study: Study) -> Files:
    """The files of someone's own code that runs of a study are made of, not those of packages.

    One in the study's folder keeps its name, one from elsewhere is in code/ by its module's name.
    """
    pieces: set[str] = set()
    for run in runs_of(study):
        pieces |= set(run.spec.code)
    files = {}
    for path in filter(None, map(code.path_of, sorted(pieces))):
        for module, file in own_code.files(path).items():
            if own.is_own(file):
                name = f"code/{module}.py"
                if file.resolve().is_relative_to(Path.cwd()):
                    name = file.resolve().relative_to(Path.cwd()).as_posix()
                files[name] = file
    return files


def name_of(file: Path) -> str:
    """The name in a bundle of a file of the study; one from elsewhere is in config/."""
    if file.is_absolute() or ".." in file.parts:
        return f"config/{file.name}"
    return file.as_posix()


def scores_of(study: Study) -> list[Path]:
    """The files of references, parity and measurements that the tables of a study are made of."""
    runs = study.runs()
    references = {f"{run.task}-{data_name(run.spec)}.json" for run in runs}
    paths = [store.REFERENCES / name for name in sorted(references)]
    cells = {parity.path(run.spec) for run in runs if run.spec.framework != frameworks.TORCH}
    paths += sorted(cells)
    paths += map(Path, measuring.files(study.ledger, has_gpu=False).values())
    return paths


def run_files(folders: Iterable[Path], checkpoints: bool) -> Iterator[tuple[str, Path]]:
    """The files of finished runs; checkpoints: with the best of each."""
    for folder in folders:
        for name in seals.FILES:
            path = folder / name
            if path.is_file() and (checkpoints or name not in seals.CHECKPOINTS):
                yield path.as_posix(), path


def pins(study: Study, trained_on: Iterable[str | None]) -> dict[str, bytes]:
    """What the runs' data must be, by which another folder holds its own preparation to them.

    trained_on: the `data_sha256` of the runs' rows.
    """
    known = set(trained_on) - {None}
    files = {}
    for name in sorted({data_name(run.spec) for run in runs_of(study)}):
        for version, manifest in sources.pins(name, known).items():
            path = store.DATA / sources.KNOWN / name / f"{version}.json"
            files[path.as_posix()] = store.json_text(sources.pinned_as(manifest)).encode()
    return files
