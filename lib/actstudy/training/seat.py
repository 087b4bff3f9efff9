"""A job that has trained a run takes another one of the same code, in the same tensors.

So what is compiled and recorded serves on: CUDA graphs read the tensors that they were recorded
with.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.study import series
from actstudy.training.clock import Clock
from actstudy.training.engine import Progress, order_seed
from actstudy.training.job import Job
from actstudy.training.log import Log

# of the compiled and recorded code: that it has run, and which probes it reads in which order
LASTING = ("updates", "health_keys")
PLAIN = (bool, int, float, str, tuple, type(None))


def may_take(job: Job, spec: RunSpec) -> bool:
    """Whether a job may train another run: it is compiled, and both runs have the same code."""
    return spec.engine == "compiled" and series.code_of(job.spec) == series.code_of(spec)


def fits(job: Job, model: nn.Module) -> bool:
    """Whether a job's model is an initialised one but for the values of its tensors."""
    return frame(job.model) == frame(model)


@torch.no_grad()
def reseat(job: Job, model: nn.Module, specs: Sequence[RunSpec], logs: Sequence[Log]) -> Job:
    """A job that trains the run of `specs`, from the weights of a model that fits, as a new one.

    All zeros are what an optimizer's state is before the first step.
    """
    fresh = _tensors(model)
    for name, tensor in _tensors(job.model).items():
        tensor.copy_(fresh[name])
    for state in job.optimizer.state.values():
        for value in state.values():
            if isinstance(value, Tensor):
                value.zero_()
    job.scaler = torch.amp.GradScaler(job.device.type, enabled=job.scaler.is_enabled())
    _forget(job)
    job.specs = specs
    job.spec = specs[0]
    job.logs = logs
    job.clock = Clock(job.device)
    job.progress = [Progress(order_seed=order_seed(spec)) for spec in specs]
    return job


def _forget(job: Job) -> None:
    """Set all that a job has noted of its run to what it is in a new one."""
    for field in dataclasses.fields(job):
        if field.name in LASTING:
            continue
        if field.default is not dataclasses.MISSING:
            setattr(job, field.name, field.default)
        elif field.default_factory is not dataclasses.MISSING:
            setattr(job, field.name, field.default_factory())


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """All weights and buffers of a model, by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def frame(model: nn.Module) -> tuple[Any, ...]:
    """What compiled code may hold of a model: its modules, their plain values, tensors' kinds."""
    modules = []
    for module in model.modules():
        plain = {name: value for name, value in vars(module).items() if isinstance(value, PLAIN)}
        modules.append((type(module), plain))
    kinds = {name: (value.shape, value.dtype) for name, value in _tensors(model).items()}
    return modules, kinds
