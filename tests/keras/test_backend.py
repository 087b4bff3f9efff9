"""What Keras computes with once it has started: precisions, threads, memory, determinism."""

import json
import os
import subprocess
import sys

import keras
import pytest
import torch
from conftest import make_spec
from runs import ROOT

from actstudy.contract import frameworks
from actstudy.frameworks import backend
from actstudy.training import outcome

SETTINGS = """
import json, os, sys
from actstudy.contract.spec import RunSpec
from actstudy.frameworks import backend
import torch
torch.set_num_threads(2)
backend.start(RunSpec(**json.loads(sys.argv[1])), torch.device("cpu"))
import keras
read = {name: keras.backend.backend() for name in ["backend"]}
read["layout"] = keras.config.image_data_format()
read["xla"] = os.environ["XLA_FLAGS"].split()
read["oneDNN"] = torch.backends.mkldnn.enabled
read["NPROC"] = os.environ.get("NPROC")
if read["backend"] == "jax":
    import jax
    jax.jit(lambda x: x + 1)(jax.numpy.ones(3)).block_until_ready()
    read["products"] = jax.config.jax_default_matmul_precision
    read["platforms"] = jax.config.jax_platforms
if read["backend"] == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.framework.config import is_op_determinism_enabled
    read["tf32"] = tf.config.experimental.tensor_float_32_execution_enabled()
    read["intra"] = tf.config.threading.get_intra_op_parallelism_threads()
    read["inter"] = tf.config.threading.get_inter_op_parallelism_threads()
    read["strict"] = is_op_determinism_enabled()
    read["log level"] = tf.get_logger().level
print(json.dumps(read))
"""


def settings(framework, tmp_path, **fields):
    """What a process of its own reads after `backend.start`, whose user has a keras.json."""
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first"}')
    own = {"task": "vision", "dataset": "mnist1d", "seed": 0, "activation": "relu", **fields}
    content = json.dumps({**own, "framework": framework})
    environment = {key: value for key, value in os.environ.items() if key not in SET}
    environment |= {"PYTHONPATH": str(ROOT / "lib"), "KERAS_HOME": str(tmp_path)}
    python = os.environ.get("ACTSTUDY_TEST_PYTHON", sys.executable)  # of test_frameworks.py
    command = [python, "-c", SETTINGS, content]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


SET = ("XLA_FLAGS", "NPROC", "PJRT_NPROC", "JAX_PLATFORMS", "KERAS_BACKEND", "KERAS_TORCH_DEVICE")


@pytest.mark.parametrize(
    ("fields", "products", "tf32"),
    [
        ({"precision": "fp32"}, "float32", False),
        ({"precision": "bf16", "strict": True}, "tensorfloat32", True),
    ],
    ids=["fp32", "bf16-strict"],
)
def test_a_process_computes_as_its_spec_says(framework, tmp_path, fields, products, tf32):
    read = settings(framework, tmp_path, **fields)
    is_strict = "strict" in fields
    assert read["backend"] == frameworks.FRAMEWORKS[framework].backend
    assert read["layout"] == "channels_last"
    assert ("--xla_gpu_deterministic_ops=true" in read["xla"]) == is_strict
    assert "--xla_cpu_multi_thread_eigen=false" in read["xla"]
    assert read["oneDNN"] is True
    assert read["NPROC"] is None
    if read["backend"] == "jax":
        assert (read["products"], read["platforms"]) == (products, "cpu")
    if read["backend"] == "tensorflow":
        assert (read["intra"], read["inter"]) == (2, 1)
        assert (read["tf32"], read["strict"]) == (tf32, is_strict)
        assert read["log level"] == 40


@pytest.mark.parametrize(("device", "platform"), [("cpu", "cpu"), ("cuda:0", "cuda")])
def test_a_back_end_takes_memory_as_needed_and_the_device_of_torch(
    framework, monkeypatch, device, platform
):
    monkeypatch.setattr(os, "environ", {"XLA_FLAGS": "--mine"})
    backend._environment("jax", make_spec(framework), torch.device(device))
    own = dict(os.environ)
    assert own["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert own["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert own["KERAS_BACKEND"] == "jax"
    assert own["JAX_PLATFORMS"] == platform
    assert own["KERAS_TORCH_DEVICE"] == device
    assert own["XLA_FLAGS"].split()[0] == "--mine"
    assert own.get("PJRT_NPROC") == ("1" if device == "cpu" else None)
    assert backend.is_on_gpu() == (device != "cpu")


def test_policies_leave_variables_in_float32():
    for precision, compute in {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}.items():
        policy = keras.dtype_policies.get(backend.POLICIES[precision])
        assert (policy.compute_dtype, policy.variable_dtype) == (compute, "float32")


def test_a_back_end_without_memory_gets_advice(spec):
    with pytest.raises(Exception, match="lloc") as ended:
        keras.ops.convert_to_numpy(keras.ops.ones((2**45,)))
    status, reason = outcome.ending(ended.value, [spec()], has_models=True, is_stopping=False)
    assert status == "out_of_memory"
    assert reason.startswith("task vision, batch_size 8: asked for "), reason
    assert reason.endswith("; to fix: a smaller batch_size, or accumulate: 2")


@pytest.mark.parametrize(
    ("kind", "text", "requested"),
    [
        (
            "JaxRuntimeError",
            "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4096 bytes.",
            "4096 bytes",
        ),
        ("XlaRuntimeError", "RESOURCE_EXHAUSTED: Out of memory allocating 17 bytes.", "17 bytes"),
        (
            "ResourceExhaustedError",
            "{{function_node x}} OOM when allocating tensor with shape[8,3] and type float",
            "shape[8,3]",
        ),
    ],
)
def test_the_requested_memory_is_read_from_each_back_ends_error(spec, kind, text, requested):
    error = type(kind, (Exception,), {})(text)
    status, reason = outcome.ending(error, [spec()], has_models=True, is_stopping=False)
    assert (status, f"asked for {requested};" in reason) == ("out_of_memory", True), reason
