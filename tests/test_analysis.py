"""Tables, statistics, figures and summary, on a study of tiny runs built once."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image
from plans import plan_of, task_plan
from runs import TINY, quiet, run
from scipy import stats as scipy_stats

from actstudy.analysis import collect, figures, markdown, partial, retry, scale, status, tables
from actstudy.analysis.export import curves
from actstudy.analysis.figures import style, timeline
from actstudy.analysis.page import (
    cell_groups,
    compute_tables,
    health_tables,
    layouts,
    ledger,
    recommendation,
    result_tables,
    summary,
    template,
    verdict_notes,
)
from actstudy.analysis.questions import contrasts, outcomes, procedure, seed_values, stats
from actstudy.contract import registry, schema, store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import ANYTIME, Plan
from actstudy.experiments.boundaries import write as write_boundaries
from actstudy.study import planning


@pytest.fixture(scope="module")
def root(tmp_path_factory, data_folder):
    """A finished study: tanh and relu x 2 depths x 2 seeds; seed 1 of relu at depth 2 failed."""
    folder = tmp_path_factory.mktemp("study")
    block = {**{k: v for k, v in TINY.items() if k != "depth"}, "seeds": 2, "targets": [0.12, 0.99]}
    content = {"axes": {"activation": ["tanh", "relu"], "depth": [1, 2]}, "tasks": {"mlp": block}}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    built = planning.load(folder / "config.yaml")
    for one in built.runs():
        run_folder = store.run_folder(one.spec, folder / "runs")
        spec = one.spec
        if one.level == "relu" and one.spec.seed == 1 and one.spec.depth == 2:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("actstudy.training.run.fit", lambda *_: 1 / 0)
                run(spec, run_folder, data_folder, quiet())
        else:
            run(spec, run_folder, data_folder, quiet())
        store.publish(run_folder)
    return folder


@pytest.fixture(scope="module")
def study(root):
    return planning.load(root / "config.yaml")


@pytest.fixture(scope="module")
def built(root, study):
    reference = {
        "task": "mlp",
        "data": "mnist1d",
        "name": "linear classifier",
        "metric": "accuracy",
    }
    reference |= {"val": 0.31, "test": 0.3}
    write_boundaries(["relu", "identity"], root / "boundaries.parquet")
    boundaries = pd.read_parquet(root / "boundaries.parquet")
    return tables.build(study.plan(), root / "runs", [reference], boundaries)


def test_cells_count_what_is_missing(built):
    cells = (
        built.frames["cells"]
        .query("metric == 'accuracy' and checkpoint == 'reported'")
        .set_index(["level", "group"])
    )
    assert cells["n_planned"].tolist() == [2, 2, 2, 2]
    assert cells.loc[("relu", "depth=2"), "n"] == 1
    assert cells["n"].sum() == 7
    runs = built.frames["runs"].query("level == 'tanh' and group == 'depth=1'")["reported_accuracy"]
    assert cells.loc[("tanh", "depth=1"), "mean"] == pytest.approx(runs.mean())
    assert cells.loc[("tanh", "depth=1"), "sd"] == pytest.approx(np.std(runs, ddof=1))


def test_incomplete_runs_are_named_with_a_reason(built):
    (row,) = built.frames["incomplete"].to_dict("records")
    assert (row["level"], row["seed"], row["status"]) == ("relu", 1, "failed")
    assert "ZeroDivisionError" in row["reason"]


def test_targets_censor_what_is_never_reached(built):
    table = built.frames["targets"].set_index(["level", "group", "target"])
    assert (table.xs(0.99, level="target")["n_reached"] == 0).all()
    assert table.xs(0.99, level="target")["median_steps"].isna().all()
    reached = table.loc[("tanh", "depth=1", 0.12)]
    assert reached["n_reached"] <= reached["n"] == 2


def test_tables_survive_writing_with_their_units(built, tmp_path):
    tables.write(built, tmp_path)
    again = tables.read(tmp_path)
    assert set(again.frames) == set(tables.NAMES) == set(built.frames)
    pd.testing.assert_frame_equal(again.frames["cells"], built.frames["cells"], check_dtype=False)
    assert (
        pq.read_schema(tmp_path / "targets.parquet").field("median_steps").metadata[b"unit"]
        == b"steps"
    )
    assert "median_steps [steps]" in (tmp_path / "targets.csv").read_text().splitlines()[0]


def test_only_tables_that_there_are_now_are_read(built, tmp_path):
    tables.write(built, tmp_path)
    shutil.copy(tmp_path / "early.parquet", tmp_path / "removed.parquet")
    assert list(tables.read(tmp_path).frames) == tables.NAMES
    (tmp_path / "early.parquet").unlink()
    with pytest.raises(StudyError, match=r"early\.parquet: no such table; to fix: snakemake"):
        tables.read(tmp_path)


def test_a_plan_written_before_looks_runs_has_none(built):
    content = json.loads(built.plan.to_json())
    for settings in content["tasks"].values():
        del settings["looks_runs"]
    assert Plan.from_json(json.dumps(content)) == Plan.from_json(built.plan.to_json())


@pytest.mark.parametrize("part", ["mlp", "study"])
def test_every_figure_with_data_makes_a_picture_with_a_caption(built, tmp_path, part):
    names = []
    for on_page in (True, False):
        figures.draw_part(built, part, tmp_path, on_page)
        index = tmp_path / ("page.json" if on_page else "more.json")
        names += json.loads(index.read_text())
    assert {path.stem for path in tmp_path.glob("*.png")} == set(names)
    known = registry.study_figures()
    if part != "study":
        known = registry.task_figures("classes", ["depth"])
    of_others = {"boundaries", "timeline", "activation_forest", *ledger.FIGURES}
    undrawn = {"study": of_others, "mlp": {"dead_over_time"}}
    assert set(known) - set(names) <= undrawn[part]
    for name in names:
        picture = image.imread(tmp_path / f"{name}.png")
        assert picture.shape[1] > 500
        assert picture[..., :3].std() > 0.02  # something is drawn
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        caption = (tmp_path / f"{name}.txt").read_text()
        counted = {"outcome_map": "n = 2 seeds", "signal_over_layers": "n = 2 seeds"}
        assert counted.get(name, "n = 1 to 2 seeds") in caption


def test_figures_for_tasks_that_predict_tokens_need_no_calibration():
    of_classes = set(registry.task_figures("classes"))
    assert of_classes - set(registry.task_figures("tokens")) == {"reliability"}


def test_an_empty_study_has_no_figures(study, tmp_path):
    empty = tables.build(study.plan(), tmp_path / "nowhere", [], pd.DataFrame())
    for part in ("mlp", "study"):
        for on_page in (True, False):
            figures.draw_part(empty, part, tmp_path / part, on_page)
    names = sorted(path.name for path in tmp_path.glob("*/*.*"))
    assert names == ["more.json", "more.json", "page.json", "page.json"]


def test_summary_names_what_failed_and_how_to_mend_it(built, root):
    page = summary.render(built, root / "figures", root / "summary.md")
    assert page.startswith("# Study default: 7 of 8 runs completed")
    assert "ZeroDivisionError" in page
    failed = built.frames["incomplete"].iloc[0]["run_id"]
    assert f"`python -m actstudy retry results/runs/mlp/{failed} && snakemake`" in page
    assert "1 of 2" in page
    assert "nan" not in page


def test_summary_of_nothing_is_still_a_page(study, tmp_path):
    empty = tables.build(study.plan(), tmp_path / "nowhere", [], pd.DataFrame())
    page = summary.render(empty, tmp_path, tmp_path / "s.md", partial=True)
    assert page.startswith("# PARTIAL 0/8: Study default")
    (row,) = [line for line in page.splitlines() if "| missing |" in line]
    assert "| 4 cells | 8 runs |" in row


@pytest.mark.parametrize(
    ("family", "rate", "spends"),
    [
        ("task", "5%", "1%, 1.5% or 2.5%"),
        ("study", "2.5% (its share of the study's 5%)", "0.5%, 0.75% or 1.25%"),
    ],
)
def test_the_page_says_what_the_looks_of_a_task_spend(built, root, family, rate, spends):
    settings = dataclasses.replace(built.plan.tasks["mlp"], looks=True)
    tasks = {"mlp": settings, "other": built.plan.tasks["mlp"]}
    frames = {}
    for name, frame in built.frames.items():
        frames[name] = frame
        if "task" in frame:
            frames[name] = pd.concat([frame, frame.assign(task="other")])
    plan = dataclasses.replace(built.plan, family=family, tasks=tasks)
    whole = tables.Tables(plan, frames)
    page = summary.render(whole, root / "figures", root / "summary.md")
    page += summary.render_details(whole, root / "figures", root / "details.md")
    words = " ".join(page.split())
    assert f"at most {rate} of tasks would get one" in words
    assert words.count("seeds were added at 8, 12 and 20 seeds") == 1
    assert words.count(f"each look may spend {spends} of false verdicts") == 1
    spent = procedure.looks_of(True, contrasts.family_share(plan))
    assert spends.split("%")[0] == f"{100 * spent[0][1]:g}"


@pytest.mark.parametrize("are_all", [True, False])
def test_the_page_says_which_tasks_may_be_looked_at_whenever(built, root, are_all):
    mlp = built.plan.tasks["mlp"]
    often = dataclasses.replace(mlp, looks=ANYTIME)
    tasks = {"mlp": often, "other": often if are_all else mlp}
    frames = {}
    for name, frame in built.frames.items():
        frames[name] = frame
        if "task" in frame:
            frames[name] = pd.concat([frame, frame.assign(task="other")])
    plan = dataclasses.replace(built.plan, tasks=tasks)
    whole = tables.Tables(plan, frames)
    page = summary.render(whole, root / "figures", root / "summary.md")
    page += summary.render_details(whole, root / "figures", root / "details.md")
    words = " ".join(page.split())
    assert words.count("whenever one stops, and if seeds are added later: at most 5%") == 1
    assert ("**Any number of seeds** (mlp): " in words) == (not are_all)
    assert ("Their intervals are not Student's" in words) == (not are_all)
    assert ("(Student t, " in words) == (not are_all)
    assert ("They may be added to this study" in words) == are_all
    assert ("The sum is the size of a new study" in words) == (not are_all)
    assert (
        "corrected for all comparisons of a task, at whatever numbers of seeds one looks" in words
    )
    assert "Looks" not in words


def test_report_text_is_escaped(built, root):
    plan = dataclasses.replace(built.plan, note="<script>alert(1)</script>")
    assert "<script>" not in summary.render(tables.Tables(plan, built.frames), root, root / "s.md")


def test_status_and_retry(study, root, data_folder):
    shown, failed = status.status(study, root / "runs")
    assert failed
    assert "7 of 8 runs completed" in shown
    assert "nothing left to train" in shown
    (cleared,) = retry.clear(study, "failed", root / "runs")
    one = next(r for r in study.runs() if r.id == cleared)
    assert status.state(store.run_folder(one.spec, root / "runs")) == "waiting"
    shown, failed = status.status(study, root / "runs")
    assert not failed
    assert "mlp: 1 run left; a run takes" in shown
    assert re.search(r"all with \d+ processes: about .* left( \(± .*\))?, until", shown)
    run(one.spec, store.run_folder(one.spec, root / "runs"), data_folder, quiet())
    store.publish(store.run_folder(one.spec, root / "runs"))
    assert "8 of 8" in status.status(study, root / "runs")[0]
    with pytest.raises(
        StudyError, match=r"retry: got 'nope'; allowed: failed, a run's folder, or a run"
    ):
        retry.clear(study, "nope", root / "runs")


def test_partial_summary_stands_apart(study, root, monkeypatch):
    monkeypatch.chdir(root)
    (root / "results").mkdir()
    (root / "results/runs").symlink_to(root / "runs")
    page = partial.write_partial(study)
    assert str(page) == "results/partial/summary.md"
    assert page.read_text().startswith("# PARTIAL ")
    assert "## How to read this page" in page.with_name("details.md").read_text()
    assert (root / "results/partial/figures/mlp/outcome_map.png").exists()
    linked = re.findall(r"\]\(([^)]+\.(?:png|csv|tex))\)", page.read_text())
    assert {Path(path).suffix for path in linked} == {".png", ".csv", ".tex"}
    assert all((page.parent / path).is_file() for path in linked)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20))
def test_interval_is_scipys(values):
    ours = stats.mean_interval(values)
    if np.std(values) > 1e-9:
        low, high = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)
    assert ours.n == len(values)


def test_interval_of_one_seed_is_unbounded():
    assert stats.mean_interval([1.0]).low == -math.inf


def test_interval_covers():
    """95% +- 2 Monte Carlo errors of 2,000 intervals, each of 8 normal seeds, contain the mean."""
    rng = np.random.default_rng(0)
    hits = [
        i.low <= 0 <= i.high for i in (stats.mean_interval(rng.normal(size=8)) for _ in range(2000))
    ]
    assert np.mean(hits) == pytest.approx(0.95, abs=2 * math.sqrt(0.95 * 0.05 / 2000))


@pytest.mark.parametrize(
    ("times", "median"),
    [
        ([3, 1, 2], 2),
        ([1, None, None], None),
        ([1, 2, None, 4], 3),
        ([1, 2, None, None], None),
        ([], None),
    ],
)
def test_censored_median(times, median):
    assert stats.censored_median(times) == median


def frame_of_runs(rows):
    """Runs of one task and group; a row is (level, seed, status, accuracy, fields to change)."""
    common = {
        "task": "mlp",
        "group": "",
        "order_hash": "a",
        "precision": "fp32",
        "engine": "eager",
        "timing_clean": True,
    }
    common |= {
        "throughput": 10.0,
        "throughput_unit": "signals/s",
        "train_seconds": 1.0,
        "peak_memory_bytes": 1,
    }
    common |= {"peak_memory_kind": "process RSS", "device": "cpu", "last_accuracy": 0.0}
    built = []
    for level, seed, state, accuracy, *rest in rows:
        row = {
            "level": level,
            "seed": seed,
            "status": state,
            "reported_accuracy": accuracy,
            "run_id": f"{level}-{seed}",
        }
        built.append(common | row | (rest[0] if rest else {}))
    return pd.DataFrame(built)


MLP = {"metric": "accuracy", "higher_is_better": True, "baseline": "relu", "targets": [0.5]}
MLP |= {"unit": "share", "log_unit": None}
PLAN = plan_of({"mlp": MLP})


@pytest.mark.parametrize(("score", "where"), [(0.0, {}), (1.0, {}), (1.0, {"data": "other"})])
def test_a_reference_that_no_mean_on_its_data_reaches_is_named(built, score, where):
    better = built.frames["references"].assign(test=score, **where)
    changed = dataclasses.replace(built, frames={**built.frames, "references": better})
    said = "No mean is better than the reference without a network, linear classifier: 100.00%."
    assert (said in recommendation.answer(changed, "mlp")) == (score == 1.0 and not where)


def test_a_cell_without_completed_seeds_is_still_a_row():
    runs = frame_of_runs(
        [("relu", 0, "completed", 0.5), ("tanh", 0, "failed", None), ("tanh", 1, "diverged", None)]
    )
    row = tables.cells(runs, PLAN).query("level == 'tanh' and checkpoint == 'reported'").iloc[0]
    assert (row["n"], row["n_planned"]) == (0, 2)


def test_resumed_runs_have_no_part_in_speed():
    slow = {"throughput": 1.0, "timing_clean": False}
    runs = frame_of_runs(
        [
            ("relu", 0, "completed", 0.5),
            ("relu", 1, "completed", 0.5, slow),
            ("tanh", 0, "completed", 0.9, slow),
        ]
    )
    front = tables.pareto(runs, PLAN).set_index("level")
    assert front.loc["relu", "throughput"] == 10
    assert front.loc["tanh", "n_timed"] == 0
    assert front.loc["relu", ["lowest_throughput", "highest_throughput"]].tolist() == [10, 10]


def test_targets_take_the_first_time_and_count_diverged_runs_as_late():
    runs = frame_of_runs(
        [("relu", s, "completed", 0.6) for s in range(2)]
        + [("relu", 2, "diverged", None), ("relu", 3, "failed", None)]
    )
    points = [(0, 10, 0.4), (0, 20, 0.6), (0, 30, 0.7), (1, 10, 0.5), (1, 20, 0.9), (2, 10, 0.1)]
    curves = pd.DataFrame(
        [
            {
                "run_id": f"relu-{seed}",
                "step": step,
                "train_seconds": step / 10,
                "split": "val",
                "metric": "accuracy",
                "value": value,
            }
            for seed, step, value in points
        ]
    )
    row = tables.targets(runs, curves, PLAN).iloc[0]
    assert (row["n"], row["n_reached"]) == (3, 2)
    assert row["median_steps"] == 20
    assert row["median_seconds"] == 2.0


def test_reliability_draws_share_correct_against_confidence(built):
    figure, _ = figures.TASK_FIGURES["reliability"].draw(built, "mlp")
    best = built.frames["calibration"].query(
        "checkpoint == 'best' and level == 'tanh' and group == 'depth=1'"
    )
    bins = best.groupby("bin")[["count", "confidence_sum", "correct"]].sum().query("count >= 20")
    line = next(ln for ln in figure.axes[0].lines if ln.get_label() == "tanh")
    np.testing.assert_allclose(line.get_ydata(), bins["correct"] / bins["count"])
    np.testing.assert_allclose(line.get_xdata(), bins["confidence_sum"] / bins["count"])


def test_levels_of_a_study_never_look_alike():
    looks = style.styles(["tanh", "relu", "elu", "elu (alpha=0.5)", "gelu", "layers.0:relu,*:tanh"])
    assert len({tuple(look.values()) for look in looks.values()}) == 6
    assert tuple(looks["gelu"].values()) == style.ACTIVATION_STYLE["gelu"]


def test_text_of_a_table_stays_in_its_cell():
    assert "<" not in markdown.escaped("<img src=x onerror=alert(1)>")
    assert "|" not in markdown.escaped("a | b\n# c")
    assert "\n" not in markdown.escaped("a | b\n# c")


def test_a_damaged_run_is_a_row_and_its_seal_mends_it(study, root, tmp_path):
    import shutil

    shutil.copytree(root / "runs", tmp_path / "runs")
    folder = store.run_folder(study.runs()[0].spec, tmp_path / "runs")
    (folder / "curves.parquet").write_bytes(b"PAR1")
    again = tables.build(study.plan(), tmp_path / "runs", [], pd.DataFrame())
    assert again.frames["runs"].set_index("run_id").loc[study.runs()[0].id, "status"] == "damaged"
    assert "does not have its checksum" in summary.render(again, tmp_path, tmp_path / "s.md")
    assert study.runs()[0].id in retry.clear(study, "failed", tmp_path / "runs")
    assert store.verifies(folder / "checkpoints" / "final")


def test_identity_draws_a_line_and_others_do_not(built):
    """A linear model cannot tell a disc from its ring or opposite quarters; relu can."""
    frame = built.frames["boundaries"].query("kind == 'test'")
    right = (frame["probability"] > 0.5) == (frame["label"] == 1)
    share = right.groupby([frame["problem"], frame["activation"]]).mean()
    assert share["circle", "identity"] < 0.7
    assert share["XOR", "identity"] < 0.7
    assert share.xs("relu", level="activation").min() > 0.9


def test_numbers_show_the_digits_that_matter():
    assert (markdown.number(0.65432), markdown.number(2360.53), markdown.number(float("nan"))) == (
        "0.6543",
        "2360.5",
        "none",
    )


def test_the_summary_says_that_data_are_a_subset(built, root):
    runs = built.frames["runs"].assign(data_subset="a subset: 80 of 120,000 train rows")
    subset = tables.Tables(built.plan, {**built.frames, "runs": runs})
    assert "**Data: mnist1d is a subset: 80 of 120,000 train rows.**" in summary.render(
        subset, root, root / "s.md"
    )
    assert "**Data:" not in summary.render(built, root, root / "s.md")


def timed_runs(*rows):
    return pd.DataFrame(rows, columns=["device_id", "leased", "ended"])


def test_runs_of_a_device_that_overlap_are_drawn_in_rows_of_their_own():
    runs = timed_runs(
        ("a", 0, 10), ("a", 9, 20), ("a", 15, 30), ("a", 20, 25), ("b", 0, 40), ("b", 41, 50)
    )
    assert timeline.lanes(runs) == [0, 0, 1, 0, 0, 0]


def test_only_pauses_of_the_whole_study_are_cut():
    hour = timeline.GAP_SECONDS
    runs = timed_runs(
        ("a", 0, 10), ("b", 0, 3 * hour), ("a", 2 * hour, 3 * hour), ("a", 9 * hour, 10 * hour)
    )
    assert timeline.pauses(runs).tolist() == [0, 0, 0, 6 * hour]
    assert timeline.pauses(runs.iloc[::-1]).sort_index().tolist() == [0, 0, 0, 6 * hour]


def test_tables_from_before_device_ids_have_no_timeline(built):
    old = dataclasses.replace(
        built, frames=built.frames | {"runs": built.frames["runs"].drop(columns="leased")}
    )
    assert timeline.timeline(old) is None


def test_export_writes_the_curves_of_runs_that_have_ended(root, study, tmp_path):
    written = curves.export(study, tmp_path, root / "runs")
    assert len(written) == len(study.runs())
    frame = pd.read_csv(written[0])
    assert frame["step"].is_monotonic_increasing
    assert {
        "epoch",
        "train_seconds",
        "train_loss",
        "val_accuracy",
        "test_accuracy",
        "train_lr",
    } <= set(frame)
    planned = study.runs()[0]
    assert written[0].stem == f"tanh_depth=1-s0-{planned.id[-12:]}"
    run = store.read(root / "runs/mlp" / planned.id, "curves")[0].to_pandas()
    val = run[(run["split"] == "val") & (run["metric"] == "accuracy")].sort_values("step")
    assert frame["val_accuracy"].dropna().tolist() == val["value"].tolist()


def test_names_of_exported_curves_tell_cells_apart(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "axes: {activation: [{activation: elu, activation_args: {alpha: 0.5}}, gelu],"
        " init: [normal, zero], depth: [2, 3]}\ntasks: {mlp: {seeds: 2}}\n"
    )
    runs = planning.load(tmp_path / "mine.yaml").runs()
    names = [curves.file_name(run) for run in runs]
    assert len(set(names)) == 16
    assert len({name.rsplit("-", 1)[0] for name in names}) == 16  # also without the hash
    assert all(re.fullmatch(r"[A-Za-z0-9._=-]+", name) for name in names)
    assert any(re.match(r"gelu_init=zero_depth=3-s1-", name) for name in names), names


def test_export_serves_a_spreadsheet_that_writes_decimals_with_a_comma(root, study, tmp_path):
    plain = curves.export(study, tmp_path / "point", root / "runs")[0]
    comma = curves.export(study, tmp_path / "comma", root / "runs", decimal=",")[0]
    assert ";" in comma.read_text().splitlines()[0]
    assert "." not in comma.read_text()
    frame = pd.read_csv(comma, sep=";", decimal=",")
    pd.testing.assert_frame_equal(frame, pd.read_csv(plain))


def test_outcomes_are_told_apart_by_status_and_chance():
    statuses = ["completed", "completed", "completed", "diverged", "failed", "missing"]
    runs = pd.DataFrame({"run_id": list("abcdef"), "status": statuses})
    best = pd.Series({"a": 0.5, "b": 0.149, "c": 0.15, "d": 0.9, "e": 0.9})
    assert outcomes.outcomes(runs, best, [0.15] * 6) == [
        "trains",
        "stalls",
        "trains",
        "diverges",
        *["not run to its end"] * 2,
    ]


def test_a_stall_is_judged_by_the_classes_of_the_runs_own_data():
    runs = pd.DataFrame({"data": ["two", "ten", "unknown"]})
    for metric in ("accuracy", "loss"):
        settings = task_plan(classes={"two": 2, "ten": 10}, metric=metric)
        bounds = outcomes.stall_bounds(runs, settings)
        assert bounds == pytest.approx([0.55, 0.15, math.nan], nan_ok=True)


def test_figures_of_depth_belong_to_studies_that_cross_it(root, study):
    deep = {name for name, figure in figures.TASK_FIGURES.items() if "depth" in figure.needs}
    assert deep <= set(study.tasks["mlp"].figures)
    plain = planning.load("config/smoke.yaml")
    assert not deep & set(plain.tasks["mlp"].figures)
    assert study.tasks["mlp"].chance_level == 0.1
    assert math.isnan(plain.tasks["lm"].chance_level)


@pytest.mark.parametrize("content", [None, b"", b'["x"', b"\xff"])
def test_a_note_that_a_killed_process_left_half_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "runs.json").write_bytes(content)
    assert store.read_note(tmp_path / "runs.json", []) == []
    (tmp_path / "runs.json").write_text('["x"]')
    assert store.read_note(tmp_path / "runs.json", []) == ["x"]


def test_the_pages_own_words_stand_outside_of_its_expressions():
    """What an expression gives is text of others: escaped, and without the spaces around it."""
    for file in template.TEMPLATES.glob("*.j2"):
        for expression in re.findall(r"{{(.*?)}}", file.read_text()):
            assert not re.search("[\"']", re.sub(r'(join|counted)\(".*?"\)', "", expression)), (
                expression
            )


def test_the_recipe_on_the_page_names_what_the_axes_cross(built, root):
    page = summary.render_appendix(built, root / "figures", root / "appendix.md")
    recipe = yaml.safe_load(page.split("```yaml")[1].split("```")[0])
    assert recipe["depth"] == [1, 2]
    assert recipe["activation"] == ["tanh", "relu"]
    assert recipe["lr"] == built.plan.tasks["mlp"].recipe["lr"]


def table_after(page, heading):
    """The first table below a heading: its column names and rows."""
    lines = page.split(f"\n### {heading}", 1)[1].split("\n### ")[0].splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]
    return rows[0], rows[2:]


def test_of_very_many_cells_a_row_is_a_group(built, root, monkeypatch):
    """The numbers are those of the tables with a row per cell; notes say where the others are."""
    heads = {"All test values": "test accuracy", "Differences from relu": "difference"}
    written = summary.render_appendix(built, root / "figures", root / "appendix.md")
    each = {head: table_after(written, head) for head in heads}
    monkeypatch.setattr(cell_groups, "MAX_CELLS", 1)
    monkeypatch.setattr(result_tables, "MAX_SUMMARY_ROWS", 1)
    page = summary.render_appendix(built, root / "figures", root / "appendix.md")
    for head, start in heads.items():
        columns, rows = table_after(page, head)
        assert columns[0] == ""
        assert [row[0] for row in rows] == ["depth=1", "depth=2"]
        crossed = {}
        for row in rows:
            for level, text in zip(columns[1:], row[1:], strict=True):
                crossed[f"{level}, {row[0]}"] = text.removesuffix(", n = 1 of 2")
        names, listed = each[head]
        place = [name.startswith(start) for name in names].index(True)
        assert {row[0]: row[place] for row in listed} == crossed
    assert page.count("n = 1 of 2") == 1
    assert "n = 2 seeds per cell unless stated otherwise" in page
    assert "Mean difference from relu, points; no verdict, too few seeds (1 to 2 of 8)." in page
    columns, rows = table_after(page, "Steps and seconds")
    assert [row[0] for row in rows] == [
        f"depth={depth}, to {target:g}" for depth in (1, 2) for target in (0.12, 0.99)
    ]
    assert columns[1:] == ["tanh", "relu"]
    assert rows[1][1:] == ["never", "never"]
    assert rows[2][2].endswith(
        ", 1 of 1 that ended"
    )  # one seed failed: none of the others may seem to be all
    assert rows[3][1:] == ["never", "after the end, 0 of 1 that ended"]


def test_a_very_long_table_of_means_stands_in_the_appendix_alone(built, root, monkeypatch):
    monkeypatch.setattr(cell_groups, "MAX_CELLS", 1)
    note = "unless stated otherwise"
    for rows, on_summary in ((2, True), (1, False)):
        monkeypatch.setattr(result_tables, "MAX_SUMMARY_ROWS", rows)
        assert (note in summary.render(built, root, root / "s.md")) == on_summary
        assert (note in summary.render_appendix(built, root, root / "a.md")) != on_summary


def test_layouts_of_a_study_without_targets_or_contrasts_say_so(built):
    frames = {name: built.frames[name].head(0) for name in ("targets", "contrasts", "pareto")}
    empty = tables.Tables(built.plan, built.frames | frames)
    for layout in (layouts.BY_CELL, layouts.BY_GROUP):
        assert layout.targets(empty, "mlp").startswith("No target is set")
        assert layout.contrasts(empty, "mlp").startswith("There is no level to compare")
    assert compute_tables.compute(empty, "mlp").startswith("No run has completed by itself")


def contrast(level, group, mean, verdict, n=8, **fields):
    row = {
        "level": level,
        "group": group,
        "mean": mean,
        "verdict": verdict,
        "n": n,
        "more_seeds": math.nan,
        "more_seeds_as_seen": math.nan,
    }
    row |= {"visible": 0.02, "decided_at": math.nan, "seeds": n}
    return row | {"condition": "", "contradiction": ""} | fields


def test_verdicts_of_a_grid_stand_beside_their_differences():
    rows = [
        contrast("gelu", "a", 0.05, "better"),
        contrast("gelu", "b", 0.001, "undecided", more_seeds=14),
        contrast("silu", "a", 0.0, "too few seeds", n=0),
    ]
    size = scale.Scale(1, 3, "nats")
    page = cell_groups.differences(pd.DataFrame(rows), "difference from relu, nats", size)
    cells = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:4]]
        for line in page.splitlines()[2:4]
    }
    assert cells["a"] == ["+0.050, better", "none, too few seeds (0 of 8)"]
    assert cells["b"] == [
        "+0.001, undecided; seeds to add: 14 (margin), over 100 (difference seen)",
        "none",
    ]
    assert "Mean difference from relu, nats; n = 0 to 8 seeds." in page


def test_collapses_of_a_grid_are_counted_by_level(built, monkeypatch):
    monkeypatch.setattr(verdict_notes, "MAX_COLLAPSES_NAMED", 1)
    lost = built.frames["contrasts"].assign(n_collapsed=1.0, n_collapsed_baseline=0.0)
    found = tables.Tables(built.plan, built.frames | {"contrasts": lost})
    notes = verdict_notes.notes(found, "mlp")
    (told,) = [note for note in notes if "collapsed runs of their own" in note]
    assert "of the baseline: 2 of tanh" in told


def test_findings_of_very_many_cells_are_counted_by_rule(built, monkeypatch):
    monkeypatch.setattr(health_tables, "MAX_ROWS", 1)
    worst = {
        "task": "mlp",
        "severity": "error",
        "value": 1e-8,
        "place": "layers.0",
        "step": 0,
        "places": 1,
    }
    worst |= {"rule": "vanishing", "text": "gone", "remedies": "a norm", "cause": ""}
    bad = [
        worst | {key: run[key] for key in ("group", "level", "seed", "run_id")}
        for run in built.frames["runs"].to_dict("records")
        if run["depth"] == 2 and run["level"] == "tanh"
    ]
    found = tables.Tables(built.plan, built.frames | {"findings": pd.DataFrame(bad)})
    said = health_tables.findings_by_rule(found, "mlp")
    row = [cell.strip() for cell in said["table"].splitlines()[2].strip("|").split("|")]
    assert row == ["vanishing", "error", "1 of 4", "tanh, depth=2: gone", "a norm"]
    assert said["healthy"] == ["3 of 4 cells"]
    assert not said["all_healthy"]


def test_the_longer_side_of_a_crossed_table_goes_down_the_page():
    few = cell_groups.crossed(
        [(f"depth={d}", f"f{i}", f"{d}{i}") for d in (1, 2) for i in range(3)], "Note."
    )
    assert few.splitlines()[0].split("|")[2].strip() == "depth=1"
    assert [line.split("|")[1].strip() for line in few.splitlines()[2:5]] == ["f0", "f1", "f2"]
    assert few.endswith("\n\nNote.")
    assert cell_groups.crossed([], "Note.") == ""


@pytest.mark.parametrize(
    ("median", "reached", "n", "shown"),
    [
        (30.0, 2, 2, "30"),
        (30.0, 1, 2, "30, 1 of 2"),
        (None, 1, 2, "after the end, 1 of 2"),
        (None, 0, 2, "never"),
        (30.0, 1, 1, "30, 1 of 1 that ended"),
        (None, 0, 1, "after the end, 0 of 1 that ended"),
    ],
)
def test_steps_say_how_many_of_the_planned_seeds_got_there(median, reached, n, shown):
    row = {
        "group": "g",
        "target": 0.9,
        "level": "relu",
        "median_steps": median,
        "n_reached": reached,
        "n": n,
    }
    planned = pd.Series({("g", "relu"): 2})
    assert f"| {shown} " in cell_groups.steps(pd.DataFrame([row]), planned)


def test_a_rival_spelling_on_an_axis_takes_the_recipes_place(root, built):
    task = dataclasses.replace(built.plan.tasks["mlp"], axes={"steps": [100, 200]})
    plan = dataclasses.replace(built.plan, tasks={"mlp": task})
    found = tables.Tables(plan, built.frames)
    recipe = yaml.safe_load(
        summary.render_appendix(found, root, root / "a.md").split("```yaml")[1].split("```")[0]
    )
    assert recipe["steps"] == [100, 200]
    assert "epochs" not in recipe


def test_a_run_that_stands_in_two_groups_reaches_its_targets_once(built):
    plan, runs, curves = built.plan, built.frames["runs"], built.frames["curves"]
    twice = [frame.assign(group="lr=tuned") for frame in (runs, curves)]
    found = tables.targets(pd.concat([runs, twice[0]]), pd.concat([curves, twice[1]]), plan)
    alone = tables.targets(runs[runs["depth"] == 2], curves, plan)
    both = found[found["group"] == "depth=2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, alone)


def with_other_data(run_folder, ended):
    """Publish a run again as one that was trained on other data and ended at that time."""
    parts = {}
    for name, part in zip(schema.SCHEMAS, store.read(run_folder, *schema.SCHEMAS), strict=True):
        parts[name] = part
    row = {**parts["runs"].to_pylist()[0], "data_sha256": "ab" * 32, "ended": ended}
    parts["runs"] = schema.table("runs", row["run_id"], [row])
    store.seal(run_folder, parts)
    store.publish(run_folder)


@pytest.fixture
def mixed(root, study, tmp_path):
    """The finished study with one run, tanh at depth 1 with seed 0, on other and older data."""
    shutil.copytree(root / "runs", tmp_path / "runs")
    folder = store.run_folder(run_of(study, "tanh", 1, 0).spec, tmp_path / "runs")
    with_other_data(folder, "2000-01-01T00:00:00Z")
    return folder


def run_of(study, level, depth, seed):
    for planned in study.runs():
        if (planned.level, planned.spec.depth, planned.spec.seed) == (level, depth, seed):
            return planned
    raise AssertionError(f"no such run: {level}, depth {depth}, seed {seed}")


def test_runs_on_other_data_are_in_no_mean_and_no_pair(mixed, study):
    mixed_tables = tables.build(study.plan(), mixed.parents[1], [], pd.DataFrame())
    frames = mixed_tables.frames
    cell = frames["cells"].query("level == 'tanh' and group == 'depth=1' and metric == 'loss'")
    assert set(cell["n"]) == {1}
    for name in ("curves", "health", "calibration"):
        assert mixed.name not in set(frames[name]["run_id"])
    row = frames["runs"].set_index("run_id").loc[mixed.name]
    assert row["status"] == "other data"
    assert pd.isna(row["reported_accuracy"])
    compared = seed_values.seed_values(frames, mixed_tables.plan)["mlp"].values
    assert compared[("depth=1", "tanh")].notna().to_dict() == {0: False, 1: True}
    assert mixed.name in set(frames["incomplete"]["run_id"])


def test_runs_that_are_left_out_are_named_with_their_remedy(mixed, study, root, tmp_path):
    mixed_tables = tables.build(study.plan(), mixed.parents[1], [], pd.DataFrame())
    page = summary.render(mixed_tables, root / "figures", tmp_path / "summary.md")
    reason = "trained on other data (sha abababababab) than the newest run (sha "
    assert f"**1 of 8 runs of mlp left out of all means and comparisons: {reason}" in page
    assert f"`python -m actstudy retry results/runs/mlp/{mixed.name} && snakemake`" in page
    printed, _ = status.status(study, mixed.parents[1])
    (line,) = [line for line in printed.splitlines() if line.startswith("other data: ")]
    assert reason in line
    assert f"python -m actstudy retry {mixed}" in line


def test_the_data_that_count_are_those_of_the_newest_run(mixed, study):
    with_other_data(mixed, "2999-01-01T00:00:00Z")
    mixed_tables = tables.build(study.plan(), mixed.parents[1], [], pd.DataFrame())
    statuses = mixed_tables.frames["runs"].set_index("run_id")["status"]
    assert statuses[mixed.name] == "completed"
    assert set(statuses.drop(mixed.name)) == {"other data"}


def test_rates_are_chosen_by_runs_on_the_same_data(mixed, study):
    rows = [run_of(study, "tanh", 1, seed).row() for seed in (0, 1)]
    frames = collect.collect(rows, mixed.parents[1], ["curves"])
    assert frames["runs"]["status"].tolist() == ["other data", "completed"]
    assert frames["curves"]["seed"].unique().tolist() == [1]


def test_an_integer_stays_one_if_others_of_its_column_are_missing():
    steps = pa.array([3, None], pa.int64())
    table = pa.table({"run_id": ["a", "b"], "steps": steps, "value": [0.5, None]})
    other = pa.table({"run_id": ["c"], "steps": ["many"]})
    rows = collect.rows_of([table, other]).reset_index(drop=True)
    assert rows["steps"].iloc[0] == 3
    assert isinstance(rows["steps"].iloc[0], int)
    assert math.isnan(rows["steps"].iloc[1])
    assert list(rows["run_id"]) == ["a", "b", "c"]
    assert list(rows["value"].isna()) == [False, True, True]
