"""How large a page to explore is, how long it takes to write, to open, to sort and to filter.

    python benchmarks/explorer.py [RUNS ...] [--axe axe.min.js] [--firefox] [--out FILE]

A made-up study per number of runs (default 40, 600 and 10000). Per study: bytes and seconds of the
page, then in a headless Chromium without a network the first paint, the time until its figures are
drawn, and the slowest of sorting the table of runs by a number and by a text, searching it and
hiding a level; 50 random states that are opened again from their address; 1,000 random numbers of
the page against the tables; requests, complaints. With --axe, the file of axe-core, what it finds
serious or worse in each part. Prints a row per study and browser, and keeps them in
benchmarks/results/explorer.parquet (--out FILE), which docs/explorer.md quotes.
"""

import argparse
import random
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "lib")]

import big_studies  # noqa: E402  (of tests/)
import browsers  # noqa: E402
from explorers import model  # noqa: E402

from actstudy.analysis.explorer import columns, page  # noqa: E402

RUNS_PER_COPY = 40
N_NUMBERS = 1000
N_STATES = 50
REPEATS = 3
READY = """
const charts = [...document.querySelectorAll('section:not([hidden]) .chart')];
return !document.getElementById('needs') && charts.every((chart) => chart.childElementCount > 0);
"""
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
SEEN = """
return JSON.stringify([document.body.innerText,
  [...document.querySelectorAll('select, input')].map((node) => [node.value, node.checked])]);
"""
TIMED = """
const start = performance.now();
{act}
document.body.offsetHeight;
return performance.now() - start;
"""
TABLE = "part=tables&tables.table=runs"
ACTS = {  # what a reader does at the table of runs, as its buttons do it
    "sort_number": "document.querySelectorAll('thead th.number button')[0].click();",
    "sort_text": "document.querySelector('thead th:not(.number) button').click();",
    "search": (
        "const box = document.querySelector('.table input[type=search]'); box.value = 'gelu';"
        "box.dispatchEvent(new InputEvent('input', { bubbles: true }));"
    ),
    "filter": "document.querySelector('#filter fieldset input').click();",
}
AXE = """
return axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations
  .filter((rule) => ['serious', 'critical'].includes(rule.impact))
  .map((rule) => rule.id + ': ' + rule.nodes.slice(0, 2).map((node) => node.html).join(' ')));
"""


def page_of(n_runs: int, folder: Path) -> dict[str, object]:
    """The page of a made-up study, its bytes, seconds, and numbers that differ from its tables."""
    tables = big_studies.copied(big_studies.small(folder), -(-n_runs // RUNS_PER_COPY))
    start = time.perf_counter()
    text = page.render(tables)
    seconds = time.perf_counter() - start
    (folder / "explorer.html").write_text(text, "utf-8")
    n_wrong = wrong_numbers(model(text)["tables"], tables.frames)
    return {"bytes": len(text.encode()), "write_s": round(seconds, 1), "wrong_numbers": n_wrong}


def wrong_numbers(carried: dict[str, object], frames: dict[str, pd.DataFrame]) -> int:
    """How many of N_NUMBERS random numbers of the page are not those of the tables."""
    rng = np.random.default_rng(0)
    pairs = []
    for name in ("runs", "cells", "contrasts", "differences", "targets", "pareto"):
        own = columns.to_frame(carried[name])
        expected = frames[name].iloc[: len(own)]
        for column in expected.select_dtypes("number").columns.intersection(own.columns):
            values = pd.to_numeric(own[column]).to_numpy(float)
            pairs.append(np.stack([values, expected[column].to_numpy(float)], 1))
    numbers = np.concatenate(pairs)
    drawn = numbers[rng.choice(len(numbers), N_NUMBERS, replace=False)]
    return int((~((drawn[:, 0] == drawn[:, 1]) | np.isnan(drawn).all(axis=1))).sum())


def opened(driver: object, file: Path, fragment: str) -> float:
    """Open a page at a fragment; returns the seconds until its figures are drawn."""
    driver.get("about:blank")
    start = time.perf_counter()
    driver.get(f"{file.as_uri()}#{fragment}")
    browsers.wait(lambda: driver.execute_script(READY))
    return time.perf_counter() - start


def measured(driver: object, file: Path) -> dict[str, object]:
    """First paint, seconds until drawn, and the slowest of each act in milliseconds."""
    drawn = opened(driver, file, "part=forest")
    row = {"first_paint_ms": driver.execute_script(PAINT), "drawn_s": round(drawn, 2)}
    for name, act in ACTS.items():
        times = []
        for _ in range(REPEATS):
            opened(driver, file, TABLE)
            times.append(driver.execute_script(TIMED.replace("{act}", act)))
        row[f"{name}_ms"] = round(max(times))
    return row


def other_states(driver: object, file: Path) -> int:
    """How many of N_STATES random states are not the same when they are opened again."""
    rng = random.Random(0)  # noqa: S311
    opened(driver, file, "")
    names = driver.execute_script("return page.model.parts.map((part) => part.name)")
    n_other = 0
    for _ in range(N_STATES):
        fragment = random_state(rng, names)
        opened(driver, file, fragment)
        address = driver.current_url
        before = driver.execute_script(SEEN)
        driver.get("about:blank")
        driver.get(address)
        browsers.wait(lambda: driver.execute_script(READY))
        n_other += driver.execute_script(SEEN) != before
    return n_other


def random_state(rng: random.Random, names: list[str]) -> str:
    """A fragment as a reader's choices make it."""
    words = {
        "part": rng.choice(names),
        "hide": rng.choice(["", "tanh", "gelu"]),
        "at.copy": rng.choice(["", "0"]),
        "tables.table": rng.choice(["contrasts", "cells", "runs", "differences"]),
        "runs.sort": rng.choice(["", "reported_accuracy", "seed"]),
        "runs.order": rng.choice(["", "descending"]),
        "cells.q": rng.choice(["", "silu", "accuracy"]),
        "curves.x": rng.choice(["", "epoch", "train_seconds"]),
        "forest.family": rng.choice(["", "all pairs"]),
        "choose.matters": rng.choice(["", "memory", "accuracy"]),
        "choose.f.depth": rng.choice(["", "2", "50"]),
    }
    return urllib.parse.urlencode({name: word for name, word in words.items() if word})


def serious(driver: object, file: Path, axe: Path) -> list[str]:
    """What axe-core finds serious or worse, in each part."""
    lines = []
    opened(driver, file, "")
    names = driver.execute_script("return page.model.parts.map((part) => part.name)")
    for name in names:
        opened(driver, file, f"part={name}")
        driver.execute_script(axe.read_text("utf-8") + "; window.axe = axe;")
        lines += [f"{name}: {line}" for line in driver.execute_script(AXE)]
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=int, default=[40, 600, 10_000])
    parser.add_argument("--axe", type=Path)
    parser.add_argument("--firefox", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/explorer.parquet")
    arguments = parser.parse_args()
    names = ["chromium", *(["firefox"] if arguments.firefox else [])]
    rows = []
    for n_runs in arguments.runs:
        with tempfile.TemporaryDirectory() as place:
            of_page = page_of(n_runs, Path(place))
            file = Path(place, "explorer.html")
            for name in names:
                driver = browsers.started(name)
                row = {"runs": n_runs, "browser": name, **of_page, **measured(driver, file)}
                row["other_states"] = other_states(driver, file)
                row["requests"] = len(driver.execute_script(browsers.LOADED))
                row["complaints"] = len(browsers.complaints(driver))
                if arguments.axe:
                    lines = serious(driver, file, arguments.axe)
                    row["serious"] = len(lines)
                    print("\n".join(lines), file=sys.stderr)
                rows.append(row)
                print(row, flush=True)
                driver.quit()
    frame = pd.DataFrame(rows)
    frame.to_parquet(arguments.out, index=False)
    print(frame.to_markdown(index=False))


if __name__ == "__main__":
    main()
