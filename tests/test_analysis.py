"""Tables, statistics, figures and summary, on a study of tiny runs built once."""

import dataclasses
import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image
from plans import plan_of
from runs import TINY, quiet, run
from scipy import stats as scipy_stats

from actstudy.analysis import collect, figures, markdown, partial, retry, status, tables
from actstudy.analysis.export import curves
from actstudy.analysis.figures import style, timeline
from actstudy.analysis.page import (
    best_means,
    cell_groups,
    compute_tables,
    health_tables,
    layouts,
    summary,
    verdict_sentence,
    verdict_tables,
)
from actstudy.analysis.questions import contrasts, outcomes, procedure, seed_values, stats
from actstudy.contract import registry, schema, store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan
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
    shutil.copy(tmp_path / "wins.parquet", tmp_path / "removed.parquet")
    assert list(tables.read(tmp_path).frames) == tables.NAMES
    (tmp_path / "wins.parquet").unlink()
    with pytest.raises(StudyError, match=r"wins\.parquet: no such table; to fix: snakemake"):
        tables.read(tmp_path)


def test_a_plan_written_before_looks_runs_has_none(built):
    content = json.loads(built.plan.to_json())
    for settings in content["tasks"].values():
        del settings["looks_runs"]
    assert Plan.from_json(json.dumps(content)) == Plan.from_json(built.plan.to_json())


@pytest.mark.parametrize("part", ["mlp", "study"])
def test_every_figure_makes_a_picture_with_a_caption(built, tmp_path, part):
    for on_page in (True, False):
        if part == "study":
            figures.draw_study(built, tmp_path, on_page)
            names = registry.study_figures()
        else:
            figures.draw_task(built, part, tmp_path, on_page)
            names = registry.task_figures("classes", ["depth"])
    assert {path.stem for path in tmp_path.glob("*.png")} == set(names)
    for name in names:
        picture = image.imread(tmp_path / f"{name}.png")
        assert picture.shape[1] > 500
        assert picture[..., :3].std() > 0.02  # something is drawn
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        caption = (tmp_path / f"{name}.txt").read_text()
        counted = {
            "boundaries": "one seed",
            "forest": "n = 1 to 2 seeds",
            "win_probability": "n = 1 seeds",
            "timeline": "n = 8, a pack as one bar",
            "outcome_map": "n = 2 seeds",
            "signal_over_layers": "n = 2 seeds",
        }
        assert counted.get(name, "n = 1 to 2 seeds") in caption


def test_figures_for_tasks_that_predict_tokens_need_no_calibration():
    assert set(registry.task_figures("classes")) - set(registry.task_figures("tokens")) == {
        "ece_vs_metric",
        "reliability",
    }


@pytest.mark.parametrize("part", ["mlp", "study"])
def test_figures_of_an_empty_study_say_so(study, tmp_path, part):
    empty = tables.build(study.plan(), tmp_path / "nowhere", [], pd.DataFrame())
    for on_page in (True, False):
        figures.draw_task(empty, "mlp", tmp_path / "mlp", on_page)
        figures.draw_study(empty, tmp_path / "study", on_page)
    said = {path.stem: path.read_text() for path in (tmp_path / part).glob("*.txt")}
    assert "not been learnt yet" in said.pop(
        "boundaries", "The toy problems have not been learnt yet."
    )
    assert said
    assert all("n = 0" in text for text in said.values())


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
    assert page.count("| missing |") == 8


@pytest.mark.parametrize(
    ("family", "rate", "spends"),
    [
        ("task", "5% for all rows", "1%, 1.5% and 2.5%"),
        ("study", "2.5% (this task's share of the study's 5%) for all", "0.5%, 0.75% and 1.25%"),
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
    page = summary.render(tables.Tables(plan, frames), root / "figures", root / "summary.md")
    assert f"an error rate of {rate}" in page
    assert page.count("and all looks, at 8, 12 and 20 seeds.") == 1
    assert page.count(f"(the looks spend {spends})") == 1
    spent = procedure.looks_of(True, contrasts.family_share(plan))
    assert spends.split("%")[0] == f"{100 * spent[0][1]:g}"


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
    assert "mlp: 1 runs left; a run takes" in shown
    assert re.search(r"all with \d+ processes: about .* left, until", shown)
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
    assert (root / "results/partial/figures/mlp/reliability.png").exists()


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


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_pareto_front_is_the_undominated(points):
    cost, gain = zip(*points, strict=True)
    front = stats.pareto_front(cost, gain)
    for i, (c, g) in enumerate(points):
        dominated = any(c2 <= c and g2 >= g and (c2 < c or g2 > g) for c2, g2 in points)
        assert front[i] == (not dominated)


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


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_a_reference_that_no_mean_reaches_is_named(built, score):
    better = built.frames["references"].assign(test=score)
    changed = dataclasses.replace(built, frames={**built.frames, "references": better})
    said = "No mean is better than the reference without a network, linear classifier: 1.0000."
    assert (said in verdict_sentence.sentence(changed, "mlp")) == bool(score)


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
    assert front["on_front"].to_dict() == {"relu": True, "tanh": False}


def test_the_front_is_fast_and_good():
    runs = frame_of_runs(
        [
            ("relu", 0, "completed", 0.5, {"throughput": 9.0}),
            ("tanh", 0, "completed", 0.9, {"throughput": 3.0}),
        ]
        + [("gelu", 0, "completed", 0.4, {"throughput": 5.0})]
    )
    assert tables.pareto(runs, PLAN).set_index("level")["on_front"].to_dict() == {
        "relu": True,
        "tanh": True,
        "gelu": False,
    }


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
    assert markdown.spread(2360.53, 35.71) == "2360.5 (sd 35.7)"
    assert markdown.signed(-130.52, 2360.5) == "-130.5"


def test_steps_to_target_draws_what_the_table_says(built):
    figure, caption = figures.TASK_FIGURES["steps_to_target"].draw(built, "mlp")
    table = built.of("targets", "mlp")
    assert len(figure.axes) == table["target"].nunique() == 2
    shown = [text.get_text() for text in figure.axes[1].texts]
    assert shown == [" after the end (0 of 2)"] * 3 + [" after the end (0 of 1)"]
    assert "at least" in caption


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
    assert "no run has ended" in timeline.timeline(old)[1]


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
    run = store.read(root / "runs/mlp" / written[0].stem, "curves")[0].to_pandas()
    val = run[(run["split"] == "val") & (run["metric"] == "accuracy")].sort_values("step")
    assert frame["val_accuracy"].dropna().tolist() == val["value"].tolist()


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
    assert outcomes.outcomes(runs, best, 0.15) == [
        "trains",
        "stalls",
        "trains",
        "diverges",
        *["not run to its end"] * 2,
    ]


def test_figures_of_depth_belong_to_studies_that_cross_it(root, study):
    deep = {name for name, figure in figures.TASK_FIGURES.items() if "depth" in figure.needs}
    assert deep <= set(study.tasks["mlp"].figures)
    plain = planning.load("config/smoke.yaml")
    assert not deep & set(plain.tasks["mlp"].figures)
    assert study.tasks["mlp"].chance == 0.1
    assert plain.tasks["lm"].chance is None


@pytest.mark.parametrize("content", [None, b"", b'["x"', b"\xff"])
def test_a_note_that_a_killed_process_left_half_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "runs.json").write_bytes(content)
    assert store.read_note(tmp_path / "runs.json", []) == []
    (tmp_path / "runs.json").write_text('["x"]')
    assert store.read_note(tmp_path / "runs.json", []) == ["x"]


def test_the_pages_own_words_stand_outside_of_its_expressions():
    """What an expression gives is text of others: escaped, and without the spaces around it."""
    for template in summary.TEMPLATES.glob("*.j2"):
        for expression in re.findall(r"{{(.*?)}}", template.read_text()):
            assert not re.search("[\"']", re.sub(r'join\(".*?"\)', "", expression)), expression


def test_the_recipe_on_the_page_names_what_the_axes_cross(built, root):
    page = summary.render(built, root / "figures", root / "summary.md")
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
    heads = ("Test accuracy", "Differences from relu")
    written = summary.render(built, root / "figures", root / "summary.md")
    each = {head: table_after(written, head) for head in heads}
    monkeypatch.setattr(cell_groups, "MAX_CELLS", 1)
    page = summary.render(built, root / "figures", root / "summary.md")
    for head in heads:
        columns, rows = table_after(page, head)
        assert columns[0] == ""
        assert [row[0] for row in rows] == ["depth=1", "depth=2"]
        crossed = {
            f"{level}, {row[0]}": value
            for row in rows
            for level, value in zip(columns[1:], row[1:], strict=True)
        }
        names, listed = each[head]
        value = next(
            i for i, name in enumerate(names) if name.startswith(("test accuracy", "difference"))
        )
        assert {row[0]: row[value] for row in listed} == {
            cell: shown.removesuffix(", n = 1 of 2") for cell, shown in crossed.items()
        }
    assert page.count("n = 1 of 2") == 1
    assert "n = 2 seeds per cell unless stated otherwise" in page
    assert "Mean difference from relu; no verdict, too few seeds (1 to 2 of 8)." in page
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
    assert all(row[5] == "yes" for row in table_after(page, "Compute")[1])
    assert "all cells are in tables/pareto.csv" in page
    assert "loss in nats" not in page


def test_cells_of_a_grid_that_nothing_timed_are_not_taken_for_a_packs(built):
    untimed = built.frames["pareto"].assign(on_front=False, n_timed=0)
    found = tables.Tables(built.plan, built.frames | {"pareto": untimed})
    assert compute_tables.compute_of_front(found, "mlp").startswith("No cell was timed;")


def test_layouts_of_a_study_without_targets_or_contrasts_say_so(built):
    frames = {name: built.frames[name].head(0) for name in ("targets", "contrasts", "pareto")}
    empty = tables.Tables(built.plan, built.frames | frames)
    for layout in (layouts.BY_CELL, layouts.BY_GROUP):
        assert layout.targets(empty, "mlp").startswith("No target is set")
        assert layout.contrasts(empty, "mlp").startswith("There is no level to compare")
        assert layout.compute(empty, "mlp").startswith("No run has completed by itself")


def contrast(level, group, mean, verdict, n=8, **fields):
    row = {
        "level": level,
        "group": group,
        "mean": mean,
        "verdict": verdict,
        "n": n,
        "more_seeds": math.nan,
    }
    row |= {"visible": 0.02, "decided_at": math.nan, "seeds": n}
    return row | {"condition": "", "contradiction": ""} | fields


def test_verdicts_of_a_grid_stand_beside_their_differences():
    rows = [
        contrast("gelu", "a", 0.05, "better"),
        contrast("gelu", "b", 0.001, "undecided", more_seeds=14),
        contrast("silu", "a", 0.0, "too few seeds", n=0),
    ]
    page = cell_groups.differences(pd.DataFrame(rows), "difference from relu, nats", 0.5)
    cells = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:4]]
        for line in page.splitlines()[2:4]
    }
    assert cells["a"] == ["+0.0500, better", "none, too few seeds (0 of 8)"]
    assert cells["b"] == ["+0.0010, undecided: 14 more seeds", "none"]
    assert "Mean difference from relu, nats; n = 0 to 8 seeds." in page


def test_collapses_of_a_grid_are_counted_by_level(built, monkeypatch):
    monkeypatch.setattr(cell_groups, "MAX_CELLS", 1)
    lost = built.frames["contrasts"].assign(n_collapsed=1.0, n_collapsed_baseline=0.0)
    found = tables.Tables(built.plan, built.frames | {"contrasts": lost})
    notes = verdict_tables.notes(found, "mlp")
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
    worst |= {"rule": "vanishing", "text": "gone", "remedies": "a norm"}
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


@pytest.mark.parametrize("higher", [True, False])
def test_many_groups_count_how_often_a_level_is_the_best(built, higher):
    means = {
        "relu": [0.5, 0.6, 0.7, 0.1, 0.8, 0.9],
        "tanh": [0.4, 0.7, 0.6, 0.1, 0.8, 0.8],
        "gelu": [0.3, 0.1, 0.1, 0.1, 0.1, math.nan],
    }
    same, sign = (
        {"task": "mlp", "metric": "accuracy", "checkpoint": "reported"},
        1 if higher else -1,
    )
    rows = [
        same
        | {
            "level": level,
            "group": f"depth={i}",
            "mean": sign * mean,
            "n": 0 if math.isnan(mean) else 2,
        }
        for level, values in means.items()
        for i, mean in enumerate(values)
    ]
    task = dataclasses.replace(built.plan.tasks["mlp"], higher_is_better=higher)
    plan = dataclasses.replace(built.plan, tasks={"mlp": task})
    found = tables.Tables(plan, {"cells": pd.DataFrame(rows)})
    assert best_means.most_often_best(found, "mlp", 6) == (
        "6 groups of cells, the best mean: relu in 2, tanh in 1; "
        "shared by several levels in 1; the same for all levels in 1; "
        "not every level has a completed run in 1. "
        "The best of several means is optimistically biased."
    )


def test_a_rival_spelling_on_an_axis_takes_the_recipes_place(root, built):
    task = dataclasses.replace(built.plan.tasks["mlp"], axes={"steps": [100, 200]})
    plan = dataclasses.replace(built.plan, tasks={"mlp": task})
    found = tables.Tables(plan, built.frames)
    recipe = yaml.safe_load(
        summary.render(found, root, root / "s.md").split("```yaml")[1].split("```")[0]
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
