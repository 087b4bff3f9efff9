"""One run as data: `RunSpec` and its identity."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from actstudy.contract import own

Hybrid = tuple[tuple[str, str], ...]  # (site pattern, activation); the first match wins
RECIPE = 1  # raise it when training's meaning changes: every id changes with it


def option(why: str, default: Any = dataclasses.MISSING, **bounds: Any) -> Any:
    """A dataclass field with its reason and its bounds (gt, ge, lt, le), checked in study files."""
    metadata = {"why": why, "bounds": bounds}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that can change a number of a run, and nothing else."""

    task: str = option(
        "what is learnt: a file of lib/actstudy/tasks, or `package.module:TASK` of your own"
    )
    dataset: str = option(
        "what it is learnt from: a file of lib/actstudy/data/sets, or the path of your own file or"
        " folder, or a mapping with `path` and how to read it"
    )
    activation: str | Hybrid = option(
        "a name, `package.module:NAME` of your own, or a mapping from site pattern to either (a"
        " hybrid; the first match wins)"
    )
    seed: int = option(
        "draws init, order, augmentation and dropout; runs that share it are paired", ge=0
    )
    data_version: int = option(
        "version that the data set's file declares, so that changed data are a new run", 1
    )
    recipe: int = option("version of the meaning of training", RECIPE)
    code: dict[str, str] = option(
        "hashes of its own or edited code by piece, so that edited code is a new run", {}
    )
    activation_args: dict[str, float] = option(
        "arguments of the activation, such as negative_slope or alpha", {}
    )

    model: str | None = option(
        "instead of the task's own: one that it takes by name, or `package.module:FUNCTION`", None
    )
    vocabulary: int | None = option(
        "tokens of the byte-level BPE that is trained on the train split's text: 256 bytes,"
        " 2 marks, merges",
        None,
        ge=258,
    )
    context: int | None = option("tokens that the model sees at once", None, ge=2)
    hidden: tuple[int, ...] | None = option(
        "widths of the hidden layers if they differ; otherwise depth x width", None
    )
    depth: int | None = option(
        "number of hidden layers or Transformer blocks, each with one activation; of an image"
        " model the most blocks of a stage, null: as published",
        None,
        ge=1,
    )
    width: int | None = option(
        "units of every hidden layer, features of a Transformer, channels of an image model's first"
        " stage (mobilenetv2: of its first convolution)",
        None,
        ge=1,
    )
    stem: Literal["small", "large"] = option(
        "first layer of an image model: for small images, or as published", "small"
    )
    heads: int = option("attention heads; must divide width", 4, ge=1)
    norm: Literal["none", "batch", "layer"] = option(
        "normalisation before each activation, of a contrastive model that of its projections;"
        " none shows the activation undisguised",
        "none",
    )
    dropout: float = option(
        "share of values dropped: after each activation of an MLP, of embeddings and sublayer"
        " outputs of a Transformer",
        0.0,
        ge=0,
        lt=1,
    )
    dropout_kind: Literal["plain", "alpha"] = option(
        "alpha drops to SELU's lowest value, so mean and variance stay (arXiv:1706.02515)", "plain"
    )
    drop_path: float = option(
        "stochastic depth: share of examples that the last block leaves out", 0.0, ge=0, lt=1
    )
    init: str = option(
        "init policy; auto keeps the second moment for each activation, so none is handicapped",
        "auto",
    )
    init_args: dict[str, float] = option(
        "arguments of the init policy, such as factor, std or gain", {}
    )

    augment: Literal["none", "crop_flip", "crop_flip_jitter"] = option(
        "train images: a random part resized and mirrored, its colours changed too; drawn per"
        " image (of a contrastive run per view) from the seed",
        "none",
    )
    mix: Literal["none", "mixup", "cutmix"] = option(
        "train images mixed with another of their batch, and their losses likewise", "none"
    )
    views: int | None = option(
        "augmented views of each image that a contrastive loss compares", None, ge=1
    )
    loss: str | None = option(
        "contrastive loss: a name of lib/actstudy/losses, or of a twin without what keeps it"
        " finite, as a control",
        None,
    )
    loss_args: dict[str, float] = option(
        "arguments of the contrastive loss, such as scale, eps or clamp; switches are 0 or 1", {}
    )
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = option(
        "rule of the update; adamw is what practitioners reach for first", "adamw"
    )
    lr: float = option("peak learning rate, reached after warm-up", 1e-3, gt=0)
    betas: tuple[float, float] = option("decay of Adam's first and second moment", (0.9, 0.999))
    eps: float = option("added to the denominator of Adam and RMSprop", 1e-8, gt=0)
    momentum: float = option("momentum of SGD and RMSprop", 0.0, ge=0, lt=1)
    nesterov: bool = option("SGD with Nesterov's momentum (Sutskever et al. 2013)", False)
    rmsprop_alpha: float = option("decay of RMSprop's running average", 0.99, ge=0, lt=1)
    weight_decay: float = option(
        "decoupled for adamw; never on norms, biases and activation parameters", 0.01, ge=0
    )
    clip: float | Literal["adaptive"] | None = option(
        "largest global gradient norm; adaptive scales gradients of norm above 10 to 1, no"
        " others; null: off",
        1.0,
        gt=0,
    )
    schedule: Literal["cosine", "constant"] = option(
        "learning rate after warm-up; cosine falls to zero at the end", "cosine"
    )
    warmup: float = option("linear warm-up, in epochs", 0.0, ge=0)
    epochs: int | None = option("length of the run in passes over the train split", None, ge=1)
    steps: int | None = option(
        "length of the run in optimizer steps, instead of epochs", None, ge=1
    )
    batch_size: int = option("examples of one optimizer step", 128, ge=1)
    accumulate: int = option(
        "parts that a batch is split into if memory is short; must divide batch_size", 1, ge=1
    )
    label_smoothing: float = option("probability mass spread over all classes", 0.0, ge=0, lt=1)
    eval_every: int | None = option(
        "steps between validations, the best of which is kept; null: after each pass over the"
        " train split",
        None,
        ge=1,
    )
    patience: int | None = option(
        "evaluations without a better metric of val before the run stops; null: never", None, ge=1
    )

    precision: Literal["fp32", "tf32", "bf16", "fp16"] = option(
        "arithmetic of the forward and backward pass", "fp32"
    )
    framework: Literal["torch", "keras-jax", "keras-tensorflow", "keras-torch"] = option(
        "what trains it: PyTorch, or Keras 3 on a back end; its twin starts from the same weights"
        " and sees the same batches",
        "torch",
    )
    engine: Literal["eager", "compiled", "pack"] = option(
        "eager; torch.compile, on GPUs as CUDA graphs; or many small models as one (mlp); they"
        " differ in the last bits",
        "eager",
    )
    pack_width: int = option(
        "models that a pack holds, filled up with copies: decides the bits too", 1, ge=1, le=1024
    )
    strict: bool = option("deterministic algorithms only, on GPUs slower", False)
    deterministic_shuffle: bool = option(
        "order from the seed; false draws it from the system and breaks pairing", True
    )

    @property
    def task_name(self) -> str:
        """The task as folders, tables and pages name it: of someone's own the module's name."""
        return own.short(self.task)


DEFAULTS = {
    f.name: f.default_factory() if callable(f.default_factory) else f.default
    for f in fields(RunSpec)
}


def names_in(activation: str | Hybrid) -> list[str]:
    """The activations of a run's field: one, or those of a hybrid in order."""
    return [activation] if isinstance(activation, str) else [name for _, name in activation]


def canonical(spec: RunSpec, instead: dict[str, Any] | None = None) -> str:
    """The spec as JSON with sorted keys, without fields that equal their defaults.

    So a new field changes no old id. instead: field -> a value to write for the spec's own.
    """
    values = {**vars(spec), **(instead or {})}
    other = {}
    for name, default in DEFAULTS.items():
        if values[name] is not default and values[name] != default:
            other[name] = values[name]
    return json.dumps(other, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> RunSpec:
    """The spec that `canonical` wrote."""
    values: dict[str, Any] = json.loads(text)
    return RunSpec(**{name: _with_tuples(value) for name, value in values.items()})


def _with_tuples(value: Any) -> Any:
    """The value with tuples for lists."""
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def run_id(spec: RunSpec, text: str = "") -> str:
    """`<activation>-s<seed>-<12 hex of its SHA-256>`; text: its `canonical` one, if it is known."""
    if "_id" not in vars(spec):  # planning asks for it many times
        name = own.short(spec.activation) if isinstance(spec.activation, str) else "hybrid"
        digest = hashlib.sha256((text or canonical(spec)).encode()).hexdigest()
        vars(spec)["_id"] = f"{name}-s{spec.seed}-{digest[:12]}"
    return str(vars(spec)["_id"])


def data_name(spec: RunSpec) -> str:
    """The folder of a run's prepared data: `NAME`, or `NAME-v1024-t64` for tokenised text."""
    if spec.vocabulary is None:
        return spec.dataset
    return f"{spec.dataset}-v{spec.vocabulary}-t{spec.context}"


def data_parts(name: str) -> tuple[str, dict[str, int]]:
    """What `data_name` joined: the data set and, for text, its `vocabulary` and `context`."""
    if not (match := re.fullmatch(r"(\w+)-v(\d+)-t(\d+)", name)):
        return name, {}
    return match[1], {"vocabulary": int(match[2]), "context": int(match[3])}
