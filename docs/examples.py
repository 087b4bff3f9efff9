"""The example studies of docs/example: which study file each is of."""

from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent / "example"
PRECISIONS = ["fp32", "bf16", "fp16"]
STUDIES: dict[str, tuple[str, dict[str, Any]]] = {  # a folder of EXAMPLES -> file, --config
    ".": ("docs/example/example.yaml", {}),
    "contrastive": ("config/contrastive.yaml", {}),
    "contrastive_checklist": ("config/contrastive_checklist.yaml", {"precision": PRECISIONS}),
    "contrastive_stability": (
        "config/contrastive_stability.yaml",
        {"precision": PRECISIONS, "seeds": 4},
    ),
    "default": ("config/config.yaml", {}),
    "depth": ("config/depth_full.yaml", {}),
    "frameworks": ("config/frameworks_tiny.yaml", {}),
    "gated": ("config/gated.yaml", {}),
    "guide": ("config/guide.yaml", {}),
    "guide_full": ("config/guide_full.yaml", {}),
    "learnt": ("config/learnt.yaml", {}),
    "sensitivity": ("config/sensitivity.yaml", {}),
    "sigmoid": ("config/sigmoid.yaml", {}),
    "small_depth": ("config/depth.yaml", {}),
    "verdicts": ("config/verdicts.yaml", {}),
}
