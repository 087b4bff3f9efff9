"""The probes of sites and models that figures and pages speak of, in words."""

from typing import NamedTuple


class Probe(NamedTuple):
    """How a probe is spoken of; if `is_share`, its values are shares of what `words` says."""

    words: str
    is_share: bool = False
    is_logarithmic: bool = False  # whether its correlations and means are of log10

    @property
    def description(self) -> str:
        """The probe as part of a sentence: `the share of saturated values`."""
        if self.is_share:
            return f"the share of {self.words}"
        if self.is_logarithmic:
            return f"the {self.words} (log10)"
        return f"the {self.words}"

    @property
    def axis_label(self) -> str:
        """The probe on an axis: `saturated values (%)`; shares are drawn times `axis_factor`."""
        return f"{self.words} (%)" if self.is_share else self.words

    @property
    def axis_factor(self) -> int:
        """What values are multiplied with on an axis: 100 for shares."""
        return 100 if self.is_share else 1


# (kind, probe). Of these one is chosen to predict the result (early_health.py).
PROBES = {
    ("site", "dead_fraction"): Probe("units never above zero", is_share=True),
    ("site", "inactive_fraction"): Probe("activations that are not above zero", is_share=True),
    ("site", "saturated_fraction"): Probe("saturated values", is_share=True),
    ("site", "post_sd"): Probe("sd of activations"),
    ("site", "gradient_norm"): Probe("gradient norm at the sites", is_logarithmic=True),
    ("model", "gradient_norm"): Probe("gradient norm over all parameters", is_logarithmic=True),
}
