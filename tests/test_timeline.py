"""The timeline of a study's runs beside a log of nvidia-smi."""

import sys

import pandas as pd
import pytest
from made_up import parts_of, study_of
from matplotlib import pyplot as plt
from pictures import faults
from runs import ROOT

from actstudy.contract import schema, store

sys.path.append(str(ROOT / "benchmarks"))
sys.path.append(str(ROOT / "docs"))
import measured_timeline
import timeline
import timeline_rows

ZERO = 1_790_000_000.0  # seconds since the epoch


def ran(gpu: str, started: float, leased: float, ended: float, **columns: object) -> dict:
    """A run's row with times after ZERO."""
    times = {"started": ZERO + started, "leased": ZERO + leased, "ended": ZERO + ended}
    about = {"task": "cls", "activation": "relu", "slots_per_gpu": 1, "device": "GPU"}
    seconds = dict.fromkeys(timeline_rows.SECONDS, 0.0)
    return {**about, **seconds, "device_id": gpu, **times, **columns}


def log(seconds: float, idle_from: float = 50, **busy: float) -> pd.DataFrame:
    """A line per second and GPU; GPU b is idle from some second on."""
    rows = []
    for second in range(int(seconds)):
        for index, (uuid, share) in enumerate(busy.items()):
            line = {"time": ZERO + second, "index": index, "uuid": uuid, "memory_mib": 1}
            is_idle = uuid == "b" and second >= idle_from
            rows.append({**line, "busy": 0 if is_idle else share})
    return pd.DataFrame(rows)


RUNS = pd.DataFrame(
    [
        ran("a", 0, 5, 20, start_seconds=6.0, compile_seconds=4.0, train_seconds=9.0),
        ran("a", 20, 21, 40, train_seconds=18.0),  # one second between: rounding
        ran("a", 30, 60, 100, task="lm"),
        ran("b", 0, 10, 30),
        ran("b", 0, 15, 50),  # beside the other one
        ran("b", 16, 17, 20),  # within it
        ran("elsewhere", 0, 0, 90),
        ran("a", -900, -900, -800),  # before the log began
    ]
)


def test_shares_and_gaps_of_each_gpu_are_those_of_its_runs():
    table = timeline.timeline(RUNS, log(120, a=50, b=80, idle=0))
    sums = timeline.per_gpu(table).set_index("gpu")
    assert list(sums["runs"]) == [3, 3, 0]
    assert list(sums["seconds"]) == [100, 100, 100]
    assert list(sums["held"]) == pytest.approx([(35 + 40) / 100, 40 / 100, 0])
    assert list(sums["idle_seconds"]) == pytest.approx([5 + 20, 10 + 50, 100])
    assert list(sums["gaps"]) == [2, 2, 1]
    assert list(sums["longest_gap"]) == [20, 50, 100]
    assert list(sums["busy"]) == pytest.approx([0.5, 0.8 * 50 / 101, 0])
    assert sums.loc[0, "train_seconds"] == 27


def test_a_gpu_at_work_after_its_last_run_is_not_called_idle():
    """The log ended before its run did; one that is idle is: others still train."""
    lines = log(120, idle_from=120, a=50, b=80)
    is_unknown = (lines["uuid"] == "b") & (lines["time"] > ZERO + 50)
    table = timeline.timeline(RUNS, lines.assign(busy=lines["busy"].mask(is_unknown, 100)))
    sums = timeline.per_gpu(table).set_index("gpu")
    assert list(sums["seconds"]) == [100, 50]
    assert sums.loc[1, "held"] == pytest.approx(40 / 50)
    assert list(sums["idle_seconds"]) == pytest.approx([5 + 20, 10])
    assert list(sums["busy"]) == pytest.approx([0.5, 0.8])
    figure = timeline.picture(table)
    assert not any(faults(figure).values())
    assert figure.legends[0].get_texts()[-1].get_text() == "not known: no run had ended"
    plt.close(figure)


def test_the_start_of_a_process_counts_from_when_it_had_its_gpu():
    """The seconds before, in which older runs waited or others were wasted, kept none from work."""
    table = timeline.timeline(RUNS, log(120, a=50, b=80))
    own = table[(table["what"] == "run") & (table["gpu"] == 0)]
    assert list(own["start_seconds"]) == [20 - 5 - 4 - 9, 0, 40]
    waited = RUNS.assign(start_seconds=RUNS["start_seconds"] + 270, wasted_seconds=9.0)
    first = timeline.timeline(waited, log(120, a=50, b=80)).iloc[0]
    assert first["start_seconds"] == 2


def test_gpus_that_the_study_could_not_use_are_left_out_on_request_alone():
    lines = log(120, a=50, b=80, others=100)
    assert set(timeline.of_gpus(lines, None)["index"]) == {0, 1, 2}
    table = timeline.timeline(RUNS, timeline.of_gpus(lines, [0, 1]))
    assert list(timeline.per_gpu(table)["gpu"]) == [0, 1]
    with pytest.raises(SystemExit, match=r"--gpus: got 7; allowed: \[0, 1, 2\]"):
        timeline.of_gpus(lines, [0, 7])


def test_the_documents_table_has_a_row_per_gpu(monkeypatch, tmp_path):
    table = timeline.timeline(RUNS.assign(device="NVIDIA H200"), log(120, a=50, b=80))
    table.to_parquet(tmp_path / "timeline.parquet")
    monkeypatch.setattr(measured_timeline, "BENCHMARKS", tmp_path)
    lines = measured_timeline.timeline().splitlines()
    assert lines[0].startswith("| GPU | runs | minutes | with a run |")
    assert lines[2:] == [
        "| 0 (H200) | 3 | 1.7 | 75% | 50% | 46% | 2 | 20 s |",
        "| 1 (H200) | 3 | 1.7 | 40% | 40% | 55% | 2 | 50 s |",
    ]


def test_runs_beside_each_other_have_lanes_and_the_picture_no_fault():
    table = timeline.timeline(RUNS, log(120, a=50, b=80))
    lanes = table[table["what"] == "run"].groupby("gpu")["lane"].max()
    assert list(lanes) == [0, 2]
    figure = timeline.picture(table)
    assert not any(faults(figure).values())
    assert len(figure.axes) == 4
    plt.close(figure)
    late = RUNS.assign(ended=RUNS["ended"] + 900)
    figure = timeline.picture(timeline.timeline(late, log(1100, a=50, b=80)))
    assert not any(faults(figure).values())
    assert len(figure.axes) == 8
    plt.close(figure)
    figure = timeline.picture(timeline.timeline(RUNS, log(120, a=50, b=80, idle=0)))
    assert [text.get_text() for text in figure.axes[-2].texts] == ["no run"]
    plt.close(figure)


def test_a_run_that_waited_is_drawn_from_when_it_had_its_gpu():
    figure = timeline.picture(timeline.timeline(RUNS, log(120, a=50, b=80)))
    bars = figure.axes[0].collections[:3]  # of the first run: its start, compilation, training
    lefts = [60 * bar.get_paths()[0].vertices[:, 0].min() for bar in bars]
    assert lefts == pytest.approx([5, 5 + 2, 5 + 2 + 4])
    plt.close(figure)


def test_a_log_of_another_time_is_refused():
    with pytest.raises(SystemExit, match="no run on these GPUs ended within the log"):
        timeline.timeline(RUNS, log(5, a=50))


def test_a_log_is_read_as_nvidia_smi_writes_it(tmp_path):
    file = tmp_path / "load.csv"
    line = "2026/09/21 13:33:20.250, 1, GPU-5013c3d1-7e9d, 97, 4021\n"
    file.write_text(line + line.replace("97", "[N/A]"))
    lines = timeline.load(file)
    assert list(lines["time"]) == [1789997600.25] * 2
    assert list(lines["uuid"]) == ["5013c3d1-7e9d"] * 2
    assert lines["busy"].fillna(-1).to_list() == [97, -1]
    file.write_text("2026/09/21 13:33:20.250, 1, 97, 4021\n")
    with pytest.raises(SystemExit, match=r"load.csv: 4 columns; allowed: --query-gpu=timestamp,"):
        timeline.load(file)


def test_runs_are_read_from_a_folder_of_results(tmp_path):
    with pytest.raises(SystemExit, match="no runs; allowed: a folder with runs/TASK/ID"):
        timeline.runs(tmp_path)
    study = study_of(tmp_path, {"seeds": 3, "axes": {"activation": ["relu"]}, "tasks": {"mlp": {}}})
    specs = [run.spec for run in study.runs()]
    for spec, leased in zip(
        specs, ["2026-09-21T13:33:20Z", "2026-09-21T13:34:20Z", None], strict=True
    ):
        parts = parts_of(spec, "completed", study.plan(), 0.0)
        parts["runs"][0] |= {"started": leased, "leased": leased, "ended": leased}
        parts["runs"][0] |= {"packed_with": 2, "train_seconds": 3.0}
        folder = store.run_folder(spec, tmp_path / "runs")
        store.seal(
            folder, {name: schema.table(name, folder.name, rows) for name, rows in parts.items()}
        )
        store.publish(folder)
    frame = timeline.runs(tmp_path)  # the third run never had a device
    assert list(frame["task"]) == ["mlp", "mlp"]
    assert list(frame["train_seconds"]) == [6.0, 6.0]  # of their packs
    assert sorted(frame["leased"] - 1789997600) == [0, 60]
    assert set(timeline_rows.COLUMNS) <= set(frame)


def test_a_log_with_a_header_is_one_line(tmp_path):
    header = "timestamp, index, uuid, utilization.gpu [%], memory.used [MiB]\n"
    (tmp_path / "load.csv").write_text(header + "2026/11/28 16:30:34.948, 0, GPU-a, 0 %, 0 MiB\n")
    with pytest.raises(SystemExit, match="time: got 'timestamp'; allowed: --format=csv,noheader"):
        timeline_rows.load(tmp_path / "load.csv")
