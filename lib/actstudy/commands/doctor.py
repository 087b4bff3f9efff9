"""`doctor`: what health means, of runs that have ended or of the user's own model on one batch."""

import argparse
from pathlib import Path

from actstudy.advice import dead, report, rules
from actstudy.commands import own_model
from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.commands.report import Report, has_sites, show
from actstudy.contract import code, sources, store
from actstudy.contract.counting import counted
from actstudy.contract.errors import StudyError, visible
from actstudy.contract.schema import FAILED
from actstudy.contract.spec import data_name, from_json

OF_RUNS = ("train_split", "data_dir")
TABLES = ("health", "curves", "runs")


def add_flags(parser: Parser) -> None:
    """Folders of runs, or a model with a batch."""
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="RUN", help="folders of runs that have ended"
    )
    parser.add_argument(
        "--train_split",
        action="store_true",
        help="count dead units over all train examples, and believe that count",
    )
    parser.add_argument("--data_dir", type=Path, help=f"prepared data (default: {store.DATA})")
    parser.add_argument(
        "--cluster",
        nargs="?",
        type=Path,
        const=Path("profiles/slurm"),
        metavar="PROFILE",
        help="what is wrong with a Slurm profile (default: profiles/slurm), storage and nodes",
    )
    parser.add_argument(
        "--config",
        metavar="STUDY",
        help="with --cluster: the study that is to run there; with `device: cpu` it needs no GPU",
    )
    add_modules_flag(parser)
    own_model.add_flags(parser)


def doctor(arguments: argparse.Namespace) -> int:
    """Print the findings, most severe first; 0 for notes at most, 1 for warnings, 3 for errors.

    It is 1 at least if not all was read that was to be.
    """
    if arguments.cluster:
        return _of_cluster(arguments)
    if arguments.config:
        raise StudyError("doctor: --config: goes with --cluster only; allowed: leave it out")
    _check(arguments)
    if arguments.model:
        return show(own_model.report(arguments))
    status = 0
    for folder in arguments.folders:
        if len(arguments.folders) > 1:
            print(visible(f"{folder}:"))
        status = max(status, show(_of_run(folder, arguments)))
    return status


def _of_cluster(arguments: argparse.Namespace) -> int:
    """Print what is wrong with a cluster: 0 if nothing is, 3 if something, 1 if it is not known."""
    others = (*OF_RUNS, *own_model.FLAGS, "model", "folders")
    for name in others:
        if getattr(arguments, name) not in (None, False, []):
            raise StudyError(f"doctor: --cluster: goes alone; allowed: leave out {name}")
    from actstudy.cluster import checks, profile
    from actstudy.study import planning

    needs_gpu = not arguments.config or planning.load(arguments.config).device != "cpu"
    settings = profile.read(arguments.cluster, needs_gpu)
    findings = checks.examine(settings, store.RESULTS)
    for finding in findings:
        print(visible(f"{finding.check}: {finding.sentence}"))
    if not findings:
        parts = "account, partition, GPUs, storage and clocks"
        if not needs_gpu:
            parts = "account, partition, storage and clocks; its jobs ask for no GPU"
        print(f"{settings.file}: nothing is wrong with {parts}")
    if any(finding.known for finding in findings):
        return 3
    return int(bool(findings))


def _check(arguments: argparse.Namespace) -> None:
    """StudyError if flags name neither runs nor a model with its batch, or belong to the other."""
    if bool(arguments.folders) == bool(arguments.model):
        raise StudyError(
            "doctor: allowed: folders of runs, or --model MODULE:FUNCTION with --batch FILE"
        )
    names = OF_RUNS if arguments.model else own_model.FLAGS
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value is not False:  # 0 is an axis
            other = "a run's folder" if arguments.model else "--model"
            raise StudyError(f"doctor: --{name}: goes with {other} only; allowed: leave it out")
    if arguments.data_dir and not arguments.train_split:
        raise StudyError("doctor: --data_dir: goes with --train_split only; allowed: both")
    if arguments.model:
        own_model.check(arguments)
    for folder in arguments.folders:
        if not (folder / "runs.parquet").is_file():
            raise StudyError(
                f"doctor: {folder}: no run has ended there; allowed: results/runs/TASK/RUN"
            )


def _of_run(folder: Path, arguments: argparse.Namespace) -> Report:
    """The report of a run; dead units are counted over the train split if that is asked for."""
    health, curves, runs = (table.to_pylist() for table in store.read(folder, *TABLES))
    (run,) = runs
    lines = []
    if run["status"] != "completed":
        lines.append(f"the run ended as {run['status']}: {run['reason']}")
    failure = lines[0] if run["status"] in FAILED else ""
    steps = {row["step"] for row in health}
    sites = {row["name"] for row in health if row["kind"] == "site"}
    parameters = {row["name"] for row in health if row["kind"] == "parameter"}
    lines.append(
        f"read: {counted(len(steps), 'step')}, {counted(len(sites), 'site')} on a probe batch, "
        f"{counted(len(parameters), 'parameter')}"
    )
    if arguments.train_split:
        counts, n_examples = _dead_units(folder, arguments.data_dir or store.DATA)
        lines.append(_of_counts(counts, n_examples, run["best_step"]))
        shares = {site: count / units for site, (count, units) in counts.items()}
        health = dead.counted(health, run["best_step"], shares)
    advice = rules.examine(health, curves, run)
    lines += report.checked(advice)
    return Report(lines, advice.findings, bool(steps), has_sites(health), failure)


def _of_counts(counts: dict[str, tuple[int, int]], n_examples: int, step: int) -> str:
    """A line on the dead units of each site at the best weights."""
    sentences = [f"{site}: {count} of {units}" for site, (count, units) in counts.items() if count]
    return (
        f"dead (zero for all {n_examples} train examples) at the best weights, step {step}: "
        f"{'; '.join(sentences) or 'no unit'}; findings use this count, not the probe batch's"
    )


def _dead_units(folder: Path, data_dir: Path) -> tuple[dict[str, tuple[int, int]], int]:
    """Site -> dead units and all units at the best weights; the number of train examples read."""
    import torch

    from actstudy.data import prepared
    from actstudy.health import probes
    from actstudy.training import checkpoint
    from actstudy.training.wiring import make_model

    spec = from_json((folder / "spec.json").read_text(encoding="utf-8"))
    code.check(spec, f"doctor: {folder}")
    weights = folder / "checkpoints" / "best.pt"
    data_folder = data_dir / data_name(spec)
    for path in (weights, data_folder / "manifest.json"):
        if not path.is_file():
            raise StudyError(
                f"doctor: --train_split: {path} is missing; "
                "allowed: a completed run and its prepared data"
            )
    sources.check_run(folder, data_folder)
    data = prepared.load(data_folder)
    cpu = torch.device("cpu")
    torch.set_num_threads(1)
    model, sites = make_model(spec, data)
    model.load_state_dict(checkpoint.read(weights, cpu))
    inputs = data.inputs(cpu)
    batches = (inputs(x) for x in data.on(cpu, "train")["x"].split(256))
    return probes.dead_units(model, sites.modules, batches), data.n("train")
