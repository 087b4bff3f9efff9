"""A server for S3 on this machine, and studies that keep their runs there."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import Project

ENDPOINT = "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
STORAGE = (
    "--default-storage-provider",
    "s3",
    "--default-storage-prefix",
    "s3://bucket/studies",
)


@contextlib.contextmanager
def served() -> Iterator[Any]:
    """The server; a bucket is made by the first file."""
    pytest.importorskip("snakemake_storage_plugin_s3", reason="the extra s3 is not installed")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    running = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv(ENDPOINT, f"http://{host}:{port}")
        yield running
    running.stop()


def client() -> Any:
    """A client of the server."""
    import boto3

    return boto3.client("s3", endpoint_url=os.environ[ENDPOINT], region_name="us-east-1")


def names(bucket: str = "bucket") -> list[str]:
    """The names of the objects in a bucket."""
    return [entry["Key"] for entry in client().list_objects_v2(Bucket=bucket).get("Contents", [])]


def series(folder: Path) -> Project:
    """A project whose two runs of one epoch are trained by one job."""
    folder.mkdir()
    project = Project(folder)
    path = folder / "config/smoke.yaml"
    study = {**yaml.safe_load(path.read_text()), "runs_per_job": 2}
    path.write_text(yaml.safe_dump({**study, "tasks": {"mlp": {"epochs": 1, "seeds": 1}}}))
    return project
