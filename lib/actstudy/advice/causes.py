"""One cause, one finding: which findings of a run are the likely consequence of another."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from actstudy.advice.readings import DEAD_FROM_START


class Effect(NamedTuple):
    """A finding, as a cause and as a consequence.

    first: the step at which it begins, -1 if none is known; place, value: of its worst reading;
    places: all of them; follows_from: rule -> scope, of rules.yaml.
    """

    first: int
    place: str
    value: float
    places: Collection[str]
    follows_from: Mapping[str, str]


def roots(effects: Mapping[str, Effect], sites: Sequence[str]) -> dict[str, str]:
    """Rule -> the one in which its chain of causes ends, itself if it has no cause.

    effects: rule -> its finding, in the order of rules.yaml; sites: in the model's order.
    """
    ends = {}
    for name in effects:
        chain = [name]
        while (cause := _cause(chain[-1], effects, sites)) and cause not in chain:
            chain.append(cause)
        ends[name] = chain[-1]
    return ends


def _cause(name: str, effects: Mapping[str, Effect], sites: Sequence[str]) -> str | None:
    """The first cause of a finding's rule that was found, began no later and is in scope."""
    order = list(effects)
    effect = effects[name]
    for cause, scope in effect.follows_from.items():
        if cause not in effects:
            continue
        begin = (effects[cause].first, order.index(cause))
        end = (effect.first if effect.first >= 0 else math.inf, order.index(name))
        if begin < end and _is_in_scope(scope, effects[cause], effect, sites):
            return cause
    return None


def _is_in_scope(scope: str, cause: Effect, effect: Effect, sites: Sequence[str]) -> bool:
    """Whether a finding lies where its cause can reach it."""
    if scope == "blocked":
        return cause.value > DEAD_FROM_START
    if scope == "behind":
        reached = sites[sites.index(cause.place) :] if cause.place in sites else [cause.place]
        return set(effect.places) <= set(reached)
    return True
