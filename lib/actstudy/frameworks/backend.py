"""Starts Keras on a back end, with torch's arithmetic, threads and device; before it is imported.

KERAS_BACKEND is fixed when Keras is imported: a process has one back end.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from actstudy.contract import frameworks
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec

POLICIES = {  # precision of a run -> Keras's dtype policy: variables stay float32
    "fp32": "float32",
    "tf32": "float32",
    "bf16": "mixed_bfloat16",
    "fp16": "mixed_float16",
}


def start(spec: RunSpec, device: torch.device) -> None:
    """Import Keras on the back end of a spec, for a device that torch has.

    StudyError if a package is missing, the back end sees no GPU, or Keras runs on another one.
    """
    frameworks.check_installed(spec.framework, "command line")
    name = frameworks.FRAMEWORKS[spec.framework].backend
    if "keras" not in sys.modules:
        _environment(name, spec, device)
        try:
            _import_keras()
        except Exception as error:  # an installed package that is broken raises what it likes
            raise frameworks.not_importable(spec.framework, error) from None
    import keras

    if keras.backend.backend() != name:
        got = f"got {spec.framework!r} in a process whose Keras runs on {keras.backend.backend()}"
        raise StudyError(f"framework: {got}; allowed: a process of its own")
    if name == "jax":
        _start_jax(spec)
    elif name == "tensorflow":
        _start_tensorflow(spec, device)


def is_on_gpu() -> bool:
    """Whether Keras was started for a GPU."""
    return os.environ.get("KERAS_TORCH_DEVICE", "cpu").startswith("cuda")


def _environment(name: str, spec: RunSpec, device: torch.device) -> None:
    """Set what back ends read when they are imported."""
    on_gpu = device.type == "cuda"
    flags = [os.environ.get("XLA_FLAGS", "")]
    if not on_gpu:  # one thread, as torch has
        flags.append("--xla_cpu_multi_thread_eigen=false")
        os.environ["PJRT_NPROC"] = "1"
    if spec.strict:
        flags.append("--xla_gpu_deterministic_ops=true")
    os.environ["XLA_FLAGS"] = " ".join(flags).strip()
    os.environ["KERAS_BACKEND"] = name
    os.environ["KERAS_TORCH_DEVICE"] = str(device)
    os.environ["JAX_PLATFORMS"] = "cuda" if on_gpu else "cpu"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # torch is on the GPU, too
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def _import_keras() -> None:
    """Import Keras with a home of its own: a user's keras.json must not change what is computed."""
    with tempfile.TemporaryDirectory(prefix="actstudy-keras-") as folder:
        os.environ["KERAS_HOME"] = folder
        import keras

        keras.config.set_image_data_format("channels_last")


def _start_jax(spec: RunSpec) -> None:
    import jax

    try:
        jax.devices()
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise StudyError(_no_gpu(spec, f"JAX has none ({first})")) from None
    # fp32 products of matrices and convolutions: JAX takes TF32 for them unless it is said
    precision = "float32" if spec.precision == "fp32" else "tensorfloat32"
    jax.config.update("jax_default_matmul_precision", precision)


def _start_tensorflow(spec: RunSpec, device: torch.device) -> None:
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # its warnings are of tracing again, as each size is
    if device.type == "cuda" and not tf.config.list_physical_devices("GPU"):
        raise StudyError(_no_gpu(spec, "TensorFlow has none"))
    if device.type == "cpu":
        tf.config.set_visible_devices([], "GPU")
    if tf.config.threading.get_intra_op_parallelism_threads() != torch.get_num_threads():
        tf.config.threading.set_intra_op_parallelism_threads(torch.get_num_threads())
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_tensor_float_32_execution(spec.precision != "fp32")
    if spec.strict:
        tf.config.experimental.enable_op_determinism()


def _no_gpu(spec: RunSpec, reason: str) -> str:
    return f"device: got 'cuda' with framework {spec.framework}, and {reason}; allowed: cpu"


@contextmanager
def default_dtype(policy: str) -> Iterator[None]:
    """What is built in the block has a dtype policy: POLICIES', or float64 for checks."""
    import keras

    before = (keras.config.floatx(), keras.config.dtype_policy())
    keras.config.set_floatx("float64" if policy == "float64" else "float32")
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])
