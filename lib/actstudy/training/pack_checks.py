"""Whether runs can train as a pack: their model and loss, and the memory that is free."""

import psutil
import torch
from torch import nn

from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.data import prepared
from actstudy.nets.mlp import MLP
from actstudy.tasks import classification, modules
from actstudy.training.batches import MAX_PROBE_EXAMPLES

WEIGHT_COPIES = 13  # of a pack: with gradients, moments, best, marked ones, a search's
VALUE_COPIES = 3  # of what a pack's layers hold at a time


def check_packable(spec: RunSpec, model: nn.Module) -> None:
    """StudyError unless a pack trains what the task trains: an MLP, scored as a classifier."""
    task = modules.load(spec.task)
    own_loss = task.loss is not classification.loss or task.evaluate is not classification.evaluate
    if type(model) is not MLP or own_loss:
        got = f"got 'pack' for task {spec.task}, whose model or loss is its own"
        raise StudyError(f"engine: {got}; allowed: eager, compiled")


def check_memory(
    model: nn.Module, spec: RunSpec, data: prepared.Prepared, device: torch.device
) -> None:
    """StudyError, with the width that fits, if a pack of such models exceeds the free memory."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        free -= sum(array.nbytes for array in data.arrays.values())
    else:
        free = psutil.virtual_memory().available
    weights = sum(parameter.numel() for parameter in model.parameters())
    weight_copies = WEIGHT_COPIES + (1 if spec.patience is not None else 0)
    units = sum(sum(parameter.shape) for parameter in model.parameters() if parameter.ndim == 2)
    examples = max(spec.batch_size, MAX_PROBE_EXAMPLES)
    logits = max(data.n("val"), data.n("test")) * data.manifest["classes"]
    value_copies = VALUE_COPIES + 2 * (spec.norm != "none") + (spec.dropout > 0)
    floats = weight_copies * weights + value_copies * (examples * units + logits)
    needed = 4 * floats + 8 * data.n("train")  # the latter: an epoch's indices
    fits = max(0, int(0.9 * free / needed))
    if spec.pack_width > fits:
        takes = f"which takes about {spec.pack_width * needed / 1e9:.1f} GB"
        raise StudyError(
            f"pack_width: got {spec.pack_width}, {takes}; "
            f"allowed: at most {fits}, as {free / 1e9:.1f} GB are free"
        )
