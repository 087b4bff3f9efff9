"""Numbers that documents quote, written into them from the tables that they come from.

python docs/refresh.py                    rewrite the marked blocks of all documents
python docs/refresh.py --check            change nothing; exit 1 and name the documents that differ
python docs/refresh.py --from results     first take what documents use of the study there

RESULTS is that of config/config.yaml, config/depth.yaml or config/he_factor.yaml; depth needs its
appendix too (`snakemake results/depth/appendix.md --configfile config/depth.yaml`). Of the studies
of kept.py it is their page that is taken, into docs/example.

A block stands between `<!-- table NAME -->` and `<!-- end -->`; NAME is a key of BLOCKS.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import computed
import kept
import measured
import measured_goals
import measured_timeline
import pandas as pd
import quoted
import quoted_compare
import quoted_contrastive
import quoted_frameworks
import quoted_full
import quoted_guide
import quoted_judge
import quoted_losses
import quoted_recipes
import quoted_scale
import quoted_sensitivity
import quoted_storage
import simulated
import simulated_gate
import simulated_judge
import simulated_recipes

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(?<=<!-- table )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
TABLES = {  # a study -> those of its tables that documents quote
    "default": ("cells.csv", "contrasts.csv", "references.csv", "plan.json"),
    "depth": (),
    "he_factor": (),
}
COLUMNS = {  # of larger tables the columns that documents quote
    "runs": ["run_id", "task", "reported_accuracy", "train_seconds", "probe_seconds"],
    "findings": ["run_id", "level", "group", "rule", "severity", "place"],
}
PICTURES = {  # a study -> its figures -> their names in docs/images
    "default": {
        "study/forest.png": "forest.png",
        "study/metric_curves.png": "metric_curves.png",
        "study/boundaries.png": "boundaries.png",
    },
    "depth": {
        "mlp/outcome_map.png": "outcome_map.png",
        "mlp/health_heatmaps.png": "health_depth.png",
    },
    "he_factor": {"mlp/metric_against_factor.png": "he_factor.png"},
}
BLOCKS: dict[str, Callable[[], str]] = {
    "default_study": quoted.default_study,
    "verdicts_of_default": quoted.verdicts_of_default,
    "models_of_default": quoted.models_of_default,
    "probes_of_default": quoted.probes_of_default,
    "findings_of_default": quoted.findings_of_default,
    "findings_of_depth": quoted.findings_of_depth,
    "full_scale": quoted.full_scale,
    "full_scale_differences": quoted.full_scale_differences,
    "adaptive": quoted.adaptive,
    "depth_study": quoted.depth_study,
    "framework_effects": quoted_frameworks.effects,
    "framework_deviations": quoted_frameworks.deviations,
    "framework_speed": quoted_frameworks.speed,
    "contrastive_losses": quoted_contrastive.losses,
    "contrastive_activations": quoted_contrastive.activations,
    "contrastive_survival": quoted_contrastive.survival,
    "contrastive_recommendations": quoted_contrastive.recommendations,
    "guide_headlines": quoted_guide.headlines,
    "guide_verdicts": quoted_guide.verdicts,
    "guide_ablations": quoted_guide.ablations,
    "guide_surprises": quoted_guide.surprises,
    "guide_full": quoted_guide.full,
    "sensitivity_sources": quoted_sensitivity.sources,
    "sensitivity_readings": quoted_sensitivity.readings,
    "sensitivity_trials": quoted_sensitivity.trials,
    "false_differences": simulated.false_differences,
    "skewed_noise": simulated.skewed_noise,
    "false_equivalences": simulated.false_equivalences,
    "realised_power": simulated.realised_power,
    "savings": simulated.savings,
    "component_coverage": simulated.component_coverage,
    "component_errors": simulated.component_errors,
    "size_coverage": simulated.size_coverage,
    "anytime_errors": simulated_gate.anytime_errors,
    "anytime_seeds": simulated_gate.anytime_seeds,
    "anytime_collapses": simulated_gate.anytime_collapses,
    "gate_null": simulated_gate.gate_null,
    "gate_naive": simulated_gate.gate_naive,
    "gate_power": simulated_gate.gate_power,
    "gate_rules": simulated_gate.gate_rules,
    "choice_sets": simulated.choice_sets,
    "choice_questions": simulated.choice_questions,
    "judge_paired": simulated_judge.paired_errors,
    "judge_independent": simulated_judge.independent_errors,
    "judge_equivalences": simulated_judge.false_equivalences,
    "judge_best": simulated_judge.best_and_ranks,
    "judge_found": simulated_judge.shares_found,
    "judge_power": simulated_judge.promised_power,
    "recipe_errors": simulated_recipes.recipe_errors,
    "recipe_power": simulated_recipes.recipe_power,
    "recipe_components": simulated_recipes.recipe_components,
    "best_of_coverage": simulated_recipes.best_of_coverage,
    "transfer_orders": simulated_recipes.transfer_orders,
    "transfer_sizes": simulated_recipes.transfer_sizes,
    "loss_faults": quoted_losses.faults,
    "loss_gradients": quoted_losses.gradients,
    "loss_cost": quoted_losses.cost,
    "loss_tf32": quoted_losses.tf32,
    "loss_memory": quoted_losses.memory,
    "loss_speed": quoted_losses.speed,
    "recipes_searched": quoted_recipes.searched,
    "recipes_grids": quoted_recipes.grids,
    "recipes_effects": quoted_recipes.effects,
    "recipes_choice": quoted_recipes.choice,
    "default_levels": quoted_recipes.default_levels,
    "full_searched": quoted_full.searched,
    "full_levels": quoted_full.levels,
    "full_trails": quoted_full.trails,
    "full_hours": quoted_full.hours,
    "full_sees": quoted_full.sees,
    "full_transfers": quoted_full.transfers,
    "goals": measured_goals.goals,
    "timeline": measured_timeline.timeline,
    "throughput": measured.throughput,
    "packs": measured.packs,
    "watching": measured.watching,
    "published": measured.published,
    "contrastive_rules": measured.contrastive_rules,
    "contrastive_watching": measured.contrastive_watching,
    "parity_faults": measured.parity_faults,
    "parity_pairs": measured.parity_pairs,
    "parity_models": measured.parity_models,
    "study_hours": measured.study_hours,
    "explorer_pages": measured.explorer_pages,
    "series": measured.series,
    "series_runs": measured.series_runs,
    "activations_cpu": measured.activations_cpu,
    "activations_cuda": measured.activations_cuda,
    "properties_curve": computed.curve,
    "properties_slopes": computed.slopes,
    "properties_signal": computed.signal,
    "properties_halves": computed.halves,
    "properties_cost": computed.cost,
    "properties_papers": computed.papers,
    "properties_guides": computed.guides,
    "deployed": computed.deployed,
    "track3_counts": quoted_judge.counts,
    "track3_steps": quoted_judge.steps,
    "side_by_side": quoted_compare.side_by_side,
    "reader_speed": quoted_judge.speed,
    "storage_cost": quoted_storage.cost,
    "scale": quoted_scale.scale,
    "scale_far": quoted_scale.scale_far,
}


def documents() -> list[Path]:
    """README.md and all pages below docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str) -> str:
    """A document's text with its blocks as the tables give them."""
    return BLOCK.sub(lambda match: "".join([*match.groups(), BLOCKS[match[1]]()]), text)


def take(results: Path) -> None:
    """Copy what documents use of a study's results: nothing if a file is not there."""
    plan = results / "tables/plan.json"
    study = json.loads(plan.read_text())["study"] if plan.exists() else None
    if study in kept.TABLES:
        kept.take(results, study, ROOT / "docs/example")
        return
    if study not in PICTURES:
        names = ", ".join([*PICTURES, *kept.TABLES])
        raise SystemExit(f"{results}: no results of {names}")
    targets = {
        results / "figures" / source: ROOT / "docs/images" / name
        for source, name in PICTURES[study].items()
    }
    folder = {"default": quoted.DEFAULT, "depth": quoted.DEPTH}.get(study)
    for name in TABLES[study]:
        targets[results / "tables" / name] = folder / name
    parts = {}
    if folder:
        parts = {results / f"tables/{name}.parquet": folder / f"{name}.csv" for name in COLUMNS}
    whole = kept.whole(results) if study == "default" else []
    missing = [str(path) for path in [*targets, *parts, *whole] if not path.exists()]
    if missing:
        raise SystemExit(f"nothing taken, not there: {', '.join(missing)}")
    frames = {path: pd.read_parquet(path, columns=COLUMNS[path.stem]) for path in parts}
    for source, target in targets.items():
        shutil.copy(source, target)
    for source, target in parts.items():
        frames[source].to_csv(target, index=False)
    if whole:
        kept.take_whole(results, folder / "explorer")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--from", dest="results", type=Path, help="the results of a study")
    arguments = parser.parse_args()
    if arguments.results:
        take(arguments.results)
    status = 0
    for path in documents():
        text = path.read_text()
        new = filled(text)
        if new == text:
            continue
        print(path.relative_to(ROOT))
        if arguments.check:
            status = 1
        else:
            path.write_text(new)
    return status


if __name__ == "__main__":
    sys.exit(main())
