"""The properties of activations as rows: each read from a measure, grouped as tables."""

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from actstudy.certificate import certify
from actstudy.certificate.benchmarked import times_of
from actstudy.certificate.subject import Subject, subject_of
from actstudy.contract import own, registry
from actstudy.nets import activations

Values = Mapping[str, Any]
NO_CURVE = "not a function of one number"
COST = "Cost"
TIMED = "seconds"  # the measure that a benchmark replaces
DEVICES = {"cpu": "CPU", "cuda": "GPU"}


class Property(NamedTuple):
    """A property: the measure that it is read from, and its text from that measure's values."""

    measure: str
    text: Callable[[Values], str]


def _number(value: float | str | None) -> str:
    return "none" if value is None else f"{float(value):.6g}"


def _span(values: Values) -> str:
    return f"{_number(values['low'])} to {_number(values['high'])}"


def _monotone(values: Values) -> str:
    if not values["monotone"]:
        return "no"
    return "yes" if values["direction"] == "rising" else "yes, falling"


def _minima(values: Values) -> str:
    pairs = [f"{_number(y)} at {_number(x)}" for x, y in values["minima"][:2]]
    return _few(pairs, values["n"])


def _zeros(values: Values) -> str:
    zones = []
    for low, high in values["zones"]:
        if math.isinf(float(low)):
            zones.append(f"up to {_number(high)}")
        else:
            upper = "on" if math.isinf(float(high)) else f"to {_number(high)}"
            zones.append(f"from {_number(low)} {upper}")
    points = [_number(point) for point in values["points"][:2]]
    return _few(zones + points, len(zones) + values["n"])


def _few(texts: list[str], n: int) -> str:
    """The texts of the first of n, and how many more there are."""
    if not texts:
        return "none"
    more = f" and {n - len(texts)} more" if n > len(texts) else ""
    return ", ".join(texts) + more


def _end(side: str) -> Callable[[Values], str]:
    def text(values: Values) -> str:
        end = values[side]
        if "limit" in end:
            return f"to {_number(end['limit'])}"
        return end.get("growth") or f"slope {_number(end['slope'])}"

    return text


def _smooth(values: Values) -> str:
    if values["order"] is None:
        return f"C{values['at_least']} or smoother"
    order = "jumps" if values["order"] < 0 else f"C{values['order']}"
    return f"{order} at {_few([_number(x) for x in values['places'][:3]], len(values['places']))}"


def _differentiable(values: Values) -> str:
    order = values["order"]
    if order is None or order > 0:
        return "everywhere"
    return f"not at {_few([_number(x) for x in values['places'][:3]], len(values['places']))}"


def _key(name: str, form: str = ".6g") -> Callable[[Values], str]:
    """The text of a number; of 1e-9 and below 0."""

    def text(values: Values) -> str:
        value = values[name]
        if value is None or isinstance(value, str):
            return _number(value)
        return f"{round(value, 9) + 0.0:{form}}"  # no -0

    return text


def _yes(name: str) -> Callable[[Values], str]:
    return lambda values: "yes" if values[name] else "no"


def _nearest(values: Values) -> str:
    off = values["nearest_off"]
    if abs(off) < 1e-6:
        return str(values["nearest"])
    return f"{values['nearest']}, {off:+.2%}"


def _around(name: str) -> Callable[[Values], str]:
    """The range of x in which something holds for halves; `all` if nowhere it does not."""

    def text(values: Values) -> str:
        low, high = values[name]
        ends = []
        for end, sign in ((low, -1), (high, 1)):
            is_last = end == sign * values["largest"]
            ends.append("any" if is_last else f"{end:.5g}")
        return "all" if ends == ["any", "any"] else " to ".join(ends)

    return text


def _kernel(values: Values) -> str:
    n = len(values["forward"])
    if n <= 1:
        return f"native: {values['forward'][0].strip('_')}" if n else "none"
    return f"composed of {n}"


TABLES: dict[str, dict[str, Property]] = {
    "Curve": {
        "range": Property("range", _span),
        "monotone": Property("monotone", _monotone),
        "minima": Property("minima", _minima),
        "zeros": Property("zeros", _zeros),
        "far left": Property("ends", _end("left")),
        "far right": Property("ends", _end("right")),
        "differentiable": Property("smoothness", _differentiable),
        "smooth order": Property("smoothness", _smooth),
    },
    "Slopes and zeros": {
        "Lipschitz constant": Property("lipschitz", _key("constant")),
        "gradient": Property("gradient", _span),
        "no gradient, share of N(0, 1)": Property("dead_zone", _key("share_of_normal")),
        "exact zeros, share of N(0, 1)": Property("zeros", _key("share_of_normal")),
    },
    "Signal": {
        "mean": Property("moments", _key("mean")),
        "sd": Property("moments", _key("sd")),
        "zero-centred": Property("moments", _yes("zero_centred")),
        "gain": Property("moments", _key("gain")),
        "variance x inputs": Property("initialisation", _key("factor")),
        "nearest policy": Property("initialisation", _nearest),
        "signal's change per layer": Property("depth", _key("rate")),
        "fixed point": Property("depth", lambda values: str(values["stability"])),
        "gradient's change per layer": Property("depth", _key("gradient_per_layer")),
    },
    "Halves": {
        "fp16 finite": Property("fp16", _around("finite")),
        "fp16 output": Property("fp16", _around("output")),
        "fp16 gradient": Property("fp16", _around("gradient")),
        "bf16 finite": Property("bf16", _around("finite")),
        "bf16 output": Property("bf16", _around("output")),
        "bf16 gradient": Property("bf16", _around("gradient")),
    },
    COST: {
        "kernel": Property("kernels", _kernel),
        "bytes kept": Property("bytes", _key("bytes", ".3g")),
        "kept between layers": Property("between", _key("bytes", ".3g")),
    },
}


def rows_of(
    name: str, args: Mapping[str, float] | None = None, timed: bool = True
) -> list[dict[str, str]]:
    """A row per property of an activation: table, property, text, and its measure's values.

    timed: whether an activation that is in no benchmark is timed now.
    """
    with certify.quiet():
        subject = _subject(name, args)
        measures = certify.measures_of(subject, without=() if timed else (TIMED,))
    label = _label(subject, measures)
    rows = []
    for table, properties in TABLES.items():
        texts = {key: _text(measures, each) for key, each in properties.items()}
        if table == COST:
            texts.update(_times(subject, measures))
        elif not subject.elementwise:
            texts = dict.fromkeys(texts, NO_CURVE)
        for key, text in texts.items():
            measure = properties[key].measure if key in properties else TIMED
            content = json.dumps(measures.get(measure, {}).get("values", {}))
            row = {"activation": name, "label": label, "table": table, "property": key}
            rows.append({**row, "text": text, "values": content})
    return rows


def _subject(name: str, args: Mapping[str, float] | None) -> Subject:
    """The subject of a name; of a feed-forward part it is no function of one number."""
    if name in registry.feed_forward():
        return Subject(name, partial(activations.entry(name).factory, **(args or {})), False)
    return subject_of(name, args)


def _label(subject: Subject, measures: Mapping[str, Any]) -> str:
    """The short name, and in which state of it the function is looked at."""
    notes = [own.short(subject.name)]
    if measures["learns"]["values"].get("n_parameters"):
        notes.append("initial weights")
    modes = measures["modes"]["values"]
    if modes.get("random_in_training") or not modes.get("same", True):
        notes.append("evaluation")
    return ", ".join(notes)


def _text(measures: Mapping[str, Any], each: Property) -> str:
    """The text of a property, or why it was not measured."""
    row = measures[each.measure]
    if row["outcome"] == certify.MEASURED:
        return each.text(row["values"])
    return f"{certify.NOT_MEASURED}: {row['text']}"


def _times(subject: Subject, measures: Mapping[str, Any]) -> dict[str, str]:
    """Times against relu: of the benchmark, else of now, else that there is none."""
    now = measures.get(TIMED, {}).get("values", {})
    texts = {}
    for device, title in DEVICES.items():
        times = times_of(device).get(subject.name)
        is_now = bool(now) and ("CPU" in now["device"]) == (device == "cpu")
        for part, words in (("forward", "forward"), ("both", "with backward")):
            text = "not benchmarked"
            if times:
                text = f"{getattr(times, part):.2f}"
            elif is_now:
                text = f"{now[part]:.2f} now"
            texts[f"{title}, {words}"] = text
    return texts
