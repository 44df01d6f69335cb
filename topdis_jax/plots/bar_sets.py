"""Bars in the form that plots take: arrays, the longest first."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jax.typing import ArrayLike
import numpy as np

from topdis_jax import topology

_MOST = 200  # bars of one set that a barcode shows; more are a blur

# One set of bars, as a caller gives it.
Bars = topology.Barcode | ArrayLike


class BarSet(NamedTuple):
    """Bars that are plotted alike, such as those of one degree.

    Attributes:
      births, deaths: [k] float64, the longest first; deaths may be infinite.
      hidden: shorter bars that are not among these.
    """
    births: np.ndarray
    deaths: np.ndarray
    hidden: int


def from_any(bars: Bars | Sequence[Bars] | Mapping[str, Bars]
             ) -> dict[str, BarSet]:
    """Bars in any form that `plots.barcode` accepts, as {name: BarSet}."""
    if isinstance(bars, Mapping):
        return {name: from_one(name, one) for name, one in bars.items()}
    if isinstance(bars, topology.Barcode):
        return {'bars': from_one('bars', bars)}
    if isinstance(bars, Sequence):
        sets = {f'H{degree}': from_one(f'H{degree}', one)
                for degree, one in enumerate(bars)}
        if bars and isinstance(bars[0], topology.Barcode):
            # rips_barcode leaves it out, for it has no length.
            births, deaths, hidden = sets['H0']
            sets['H0'] = BarSet(np.append(0.0, births),
                                np.append(np.inf, deaths), hidden)
        return sets
    return {'bars': from_one('bars', bars)}


def from_one(name: str, bars: Bars) -> BarSet:
    """A Barcode or an array [k, 2] as a BarSet; the name is for errors."""
    if isinstance(bars, topology.Barcode):
        births, deaths = (np.asarray(x, float) for x in bars[:2])
        if births.ndim != 1:
            raise ValueError(f'{name}: a plot shows one barcode, received '
                             f'births of shape {births.shape}; take one')
        total = int(bars.count)
        if total < 0:
            raise ValueError(f'{name}: the barcode is not valid, its count is '
                             f'{total}; see topology.Barcode')
    else:
        pairs = np.asarray(bars, float)
        pairs = pairs.reshape(0, 2) if pairs.size == 0 else pairs
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ValueError(f'{name} must be a Barcode or an array [k, 2] of '
                             f'births and deaths, received {pairs.shape}')
        births, deaths = pairs.T
        total = 0
    wrong = ~(np.isfinite(births) & (deaths >= births))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f'{name}: births must be finite, deaths not below '
                         'births and neither NaN; received '
                         f'({births[at]}, {deaths[at]}) as bar {at}')
    used = deaths > births  # other bars are no bars, or unused places
    births, deaths = births[used], deaths[used]
    order = np.argsort(births - deaths, kind='stable')
    return BarSet(births[order], deaths[order], max(total - len(births), 0))


def shorten(bar_set: BarSet) -> BarSet:
    """At most the 200 longest bars; the others are counted as hidden."""
    births, deaths, hidden = bar_set
    return BarSet(births[:_MOST], deaths[:_MOST],
                  hidden + max(len(births) - _MOST, 0))


def axis_end(sets: Mapping[str, BarSet]) -> tuple[float, bool]:
    """Where the axes end, and whether there are infinite bars."""
    none = np.empty(0)
    births = np.concatenate([none, *(s.births for s in sets.values())])
    deaths = np.concatenate([none, *(s.deaths for s in sets.values())])
    finite = np.append(deaths[np.isfinite(deaths)], births)
    largest = np.max(finite, initial=0.0)
    return (1.08 * largest if largest else 1.0), bool(np.any(deaths == np.inf))


def describe(name: str, bar_set: BarSet) -> str:
    """Label of a set: its name, its number of bars, how many are infinite."""
    endless = int(np.sum(np.isinf(bar_set.deaths)))
    never = f', {endless} never end{"s" if endless == 1 else ""}'
    return f'{name}: {count(bar_set)}{never if endless else ""}'


def count(bar_set: BarSet) -> str:
    """Number of bars in words, with those that are hidden."""
    shown = len(bar_set.births)
    if bar_set.hidden:
        return f'{shown} longest of {shown + bar_set.hidden}'
    return f'{shown}'
