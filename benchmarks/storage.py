"""What a study costs in object storage: seconds and requests, with a local server for S3.

    python benchmarks/storage.py [--seeds N] [--planned N]

A study of two activations and N seeds (default 4) of two epochs, up to its tables: without a
storage; in a storage; in a second folder with that storage; and a start that finds nothing to do,
also with N (default 200) runs of which the storage has all files. The server (moto) is a thread of
this process, so that its time is in `seconds` and not in `cpu_seconds`; it has no network, so that
a request of a real storage takes longer. Prints a row per step and keeps them in
benchmarks/results/storage.parquet, which docs/storage.md quotes.
"""

import argparse
import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import boto3
import pandas as pd
import yaml
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "lib")]

from project import Project  # noqa: E402  (of tests/)

from actstudy.contract import sealed, store  # noqa: E402
from actstudy.study.planning import load  # noqa: E402

OUT = ROOT / "benchmarks/results/storage.parquet"
BUCKET = "bucket"
PROVIDER = ("--default-storage-provider", "s3", "--default-storage-prefix")
TABLES = "results/smoke/tables/plan.json"


class Requests(logging.Handler):
    """Counts the requests that a server logs."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        if "HTTP/1.1" in record.getMessage():
            self.count += 1


def project_of(folder: Path, seeds: int) -> Project:
    """A copy of the project whose study has some seeds."""
    folder.mkdir()
    project = Project(folder)
    path = folder / "config/smoke.yaml"
    study = yaml.safe_load(path.read_text())
    study["tasks"] = {"mlp": {"seeds": seeds, "epochs": 2}}
    path.write_text(yaml.safe_dump(study))
    return project


def measured(step: str, runs: int, project: Project, counter: Requests, *words: str) -> dict:
    """The row of one call of snakemake."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    counter.count = 0
    start = time.perf_counter()
    project.snakemake("--cores", "2", *words)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = {"step": step, "runs": runs, "seconds": seconds, "cpu_seconds": cpu}
    row["requests"] = counter.count
    print(row, flush=True)
    return row


def fill(project: Project, prefix: str) -> int:
    """Put an object for each file that planning asks for, and say of how many runs."""
    client = boto3.client("s3", endpoint_url=os.environ["SNAKEMAKE_STORAGE_S3_ENDPOINT_URL"])
    os.chdir(project.folder)
    runs = load("config/smoke.yaml").runs()
    names = [store.run_folder(run.spec) / sealed.NAME for run in runs]
    names += [store.DATA / "mnist1d" / store.MANIFEST, store.REFERENCES / "mlp-mnist1d.json"]
    names += [store.RESULTS / "smoke/boundaries.parquet"]
    for name in names:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"x")
    return len(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--planned", type=int, default=200)
    arguments = parser.parse_args()
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["SNAKEMAKE_STORAGE_S3_ENDPOINT_URL"] = f"http://{host}:{port}"
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    counter = Requests()
    logger = logging.getLogger("werkzeug")
    logger.setLevel(logging.INFO)
    logger.handlers = [counter]
    logger.propagate = False
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        names = ("local", "first", "second")
        local, first, second = (project_of(Path(folder, n), arguments.seeds) for n in names)
        runs = 2 * arguments.seeds
        there = (*PROVIDER, f"s3://{BUCKET}/small", TABLES)
        rows += [measured("trained, no storage", runs, local, counter, TABLES)]
        rows += [measured("trained, in a storage", runs, first, counter, *there)]
        rows += [measured("a second folder", runs, second, counter, *there)]
        rows += [measured("nothing to do, no storage", runs, local, counter, TABLES, "-n")]
        rows += [measured("nothing to do", runs, first, counter, *there, "-n")]
        large = project_of(Path(folder, "large"), arguments.planned // 2)
        runs = fill(large, "large")
        there = (*PROVIDER, f"s3://{BUCKET}/large", "-n")
        rows += [measured("planned, no storage", runs, large, counter, "-n")]
        rows += [measured("planned, all runs there", runs, large, counter, *there)]
        os.chdir(ROOT)
    server.stop()
    frame = pd.DataFrame(rows)
    frame.to_parquet(OUT)
    print(frame.round(1).to_string())


if __name__ == "__main__":
    main()
