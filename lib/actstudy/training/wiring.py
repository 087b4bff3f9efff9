"""Models, initialised from their specs, and the engine that trains them; nothing is trained yet."""

import os
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract import frameworks, nets, own, recipes
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.data import augment, prepared
from actstudy.nets import kernels, own_models, parameters
from actstudy.nets.activations import Sites
from actstudy.nets.initializers import initialize
from actstudy.nets.packed import PackedMLP
from actstudy.study import model_checks
from actstudy.tasks import modules
from actstudy.training import pack_checks, seat
from actstudy.training.engine import Engine, check_lengths
from actstudy.training.job import Job
from actstudy.training.log import Log
from actstudy.training.optim import make_optimizer
from actstudy.training.pack import Pack
from actstudy.training.pack_optim import PackOptimizer
from actstudy.training.settings import Settings

# of a Transformer: what its log says if one of its kernels does not fit (kernels.fits)
ATTENTION_UNFIT = (
    f"loss alone, attention takes heads of {kernels.HEAD_SIZE} and contexts of at most "
    f"{kernels.LONGEST} tokens, in multiples of {kernels.ROWS}"
)
PAUSE = 30.0  # seconds between notes on runs other than the first: a pack has many


def make_engine(
    specs: Sequence[RunSpec],
    folders: Sequence[Path],
    data: prepared.Prepared,
    device: torch.device,
    settings: Settings,
    before: Job | None = None,
) -> Engine:
    """The engine of one run, or of the runs of a pack, sorted by activation.

    before: as in make_job.
    """
    if specs[0].framework != frameworks.TORCH:
        return make_keras_job(specs[0], folders[0], data, device, settings)
    if specs[0].engine == "pack":
        return make_pack(specs, folders, data, device, settings)
    return make_job(specs[0], folders[0], data, device, settings, before)


def make_job(
    spec: RunSpec,
    folder: Path,
    data: prepared.Prepared,
    device: torch.device,
    settings: Settings,
    before: Job | None = None,
) -> Job:
    """The engine of one run; ValueError if data or device cannot do what its spec asks for.

    before: that of a run of the same code, data and device, which has ended: it goes on with this.
    """
    model, sites, shared = _initialised(spec, folder, data, device, settings)
    on_gpu = device.type == "cuda"
    if on_gpu and spec.task == "lm":
        use_kernels(spec, model, data.manifest["vocabulary"], shared["logs"][0])
    if others := parameters.others(model, sites):
        shared["logs"][0].line(f"init: stay as the model makes them: {', '.join(others)}")
    if before and seat.fits(before, model):
        return seat.reseat(before, model, shared["specs"], shared["logs"])
    model.to(device, memory_format=torch.channels_last if on_gpu else torch.preserve_format)
    return Job(
        **shared,
        model=model,
        sites=sites,
        optimizer=make_optimizer(spec, model.parameters()),
        scaler=torch.amp.GradScaler(device.type, enabled=spec.precision == "fp16"),
    )


def use_kernels(spec: RunSpec, model: nn.Module, vocabulary: int, log: Log) -> None:
    """Let the model of a run use its kernels on the present GPU; the log says which, or why not."""
    reason = recipes.why_no_kernels(spec) or kernels.refusal(spec.heads, vocabulary)
    if reason:
        log.line(f"kernels: not used: {reason}")
        return
    kernels.use(model)
    shape = (spec.batch_size // spec.accumulate, spec.context or 0, 3 * (spec.width or 0))
    of_step = torch.empty(shape, dtype=torch.bfloat16, device="meta")
    of_attention = "attention and loss" if kernels.fits(of_step, spec.heads) else ATTENTION_UNFIT
    log.line(f"kernels: used: {of_attention}")


def make_keras_job(
    spec: RunSpec, folder: Path, data: prepared.Prepared, device: torch.device, settings: Settings
) -> Engine:
    """The engine of a run that Keras trains; it starts from the weights of torch's model."""
    from actstudy.training import keras_wiring  # leads to Keras, which a torch run never needs

    model, sites, shared = _initialised(spec, folder, data, device, settings)
    shape = tuple(data.manifest["shape"])
    return keras_wiring.make_keras_job(spec, model, sites, shape, shared)


def _initialised(
    spec: RunSpec, folder: Path, data: prepared.Prepared, device: torch.device, settings: Settings
) -> tuple[Any, Sites, dict[str, Any]]:
    """The model of a run, its sites, and the fields of its engine; ValueError if they cannot be."""
    seed_globals(spec)
    check_lengths(spec, data.n("train"), device)
    augment.check(spec.augment, data.arrays["train_x"].dtype)
    model, sites = make_model(spec, data)
    return model, sites, _shared([spec], [folder], data, device, settings)


def make_pack(
    specs: Sequence[RunSpec],
    folders: Sequence[Path],
    data: prepared.Prepared,
    device: torch.device,
    settings: Settings,
) -> Pack:
    """The engine of runs sorted by activation, filled to the width with copies of the last."""
    spec = specs[0]
    seed_globals(spec)
    check_lengths(spec, data.n("train"), device)
    members = [make_model(spec, data)]
    pack_checks.check_packable(spec, members[0][0])
    pack_checks.check_memory(members[0][0], spec, data, device)
    members += [make_model(other, data) for other in specs[1:]]
    n_copies = spec.pack_width - len(specs)
    model = PackedMLP([*members, *[members[-1]] * n_copies]).to(device)
    return Pack(
        **_shared(specs, folders, data, device, settings),
        model=model,
        optimizer=PackOptimizer([*specs, *[specs[-1]] * n_copies], list(model.stacked)),
    )


def _shared(
    specs: Sequence[RunSpec],
    folders: Sequence[Path],
    data: prepared.Prepared,
    device: torch.device,
    settings: Settings,
) -> dict[str, Any]:
    """The fields that every engine has; of several runs none writes to the console."""
    quiet = settings.quiet or len(specs) > 1
    logs = [Log(folders[0], quiet, settings.tensorboard)]
    logs += [Log(folder, quiet, settings.tensorboard, PAUSE) for folder in folders[1:]]
    splits = {split: data.on(device, split) for split in prepared.SPLITS}
    of_task = getattr(modules.load(specs[0].task), "with_views", None)
    return {
        "specs": specs,
        "splits": of_task(specs[0], splits) if of_task else splits,
        "inputs": data.inputs(device),
        "device": device,
        "logs": logs,
        "probe_every": settings.probe_every,
    }


def make_model(spec: RunSpec, data: prepared.Prepared) -> tuple[Any, Sites]:
    """The initialised model of a spec, on the CPU, and its activation sites."""
    task = modules.load(spec.task)
    sites = Sites(spec.activation, spec.activation_args)
    make_act = partial(_make_act, sites)
    if own.is_path(spec.model):
        model = own_models.build(spec, data.manifest, make_act)
    else:
        model = task.build(spec, data, make_act)
    sites.check()
    check_sites(spec, sites)
    x, y = example(data)
    if spec.views is not None:
        x = x[:, None].expand(-1, spec.views, *x.shape[1:])

    def loss() -> Tensor:
        value: Tensor = task.loss(model(x), y)
        return value

    initialize(model, sites, spec.init, spec.init_args, spec.seed, loss)
    return model, sites


def _make_act(sites: Sites, site: str, units: int | None = None) -> nn.Module:
    """The activation of a site; what it draws moves no later draw of the model's own."""
    of_random = random.getstate()
    of_numpy = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            return sites(site, units)
    finally:
        random.setstate(of_random)
        np.random.set_state(of_numpy)


def check_sites(spec: RunSpec, sites: Sites) -> None:
    """StudyError unless the model has the sites that planning has read from its file."""
    names = list(sites.modules)
    declared = model_checks.sites(spec)
    if declared is not None and names != declared:
        net = nets.of_run(spec)
        got = f"got {declared}, and task {spec.task} makes {names}"
        raise StudyError(f"lib/actstudy/nets/{net}.py: SITES: {got}; allowed: these, in order")


def example(data: prepared.Prepared) -> tuple[Tensor, Tensor]:
    """The inputs and labels of two train examples; the inputs require a gradient if they can."""
    cpu = torch.device("cpu")
    arrays = data.on(cpu, "train")
    x = data.inputs(cpu)(arrays["x"][:2])
    if x.is_floating_point():
        x.requires_grad_()
    return x, arrays["y"][:2]


def seed_globals(spec: RunSpec) -> None:
    """Seed what user code may draw from, and set torch's arithmetic; training uses streams."""
    random.seed(spec.seed)
    np.random.seed(spec.seed % 2**32)
    torch.manual_seed(spec.seed)
    torch.backends.cudnn.benchmark = not spec.strict
    # the call imports torch's compiler, which takes two seconds
    if spec.strict or torch.are_deterministic_algorithms_enabled():
        # cuBLAS is deterministic with it only
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(spec.strict)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # slow
    # attention: its choice among its own plans is not fixed
    torch.backends.cuda.enable_cudnn_sdp(not spec.strict)
    torch.set_float32_matmul_precision("highest" if spec.precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = spec.precision != "fp32"
