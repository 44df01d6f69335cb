"""The divergences that the TopDis loss knows by name: one row each.

The divergences themselves are in topology/divergences.py and topology/lite.py.
`topology.compare` has a table of its own, in topology/comparison.py: there RTD
has its min form and all bars; here, what the loss is given.

A row is a function (dist_x, dist_y, mask, *, forms, axis_name, bars) -> [], see
`compare`. It takes matrices that are not valid, and gives NaN for them: nothing
raises inside a compiled step. One that does not share out its work takes the
first device's value, `collectives.of_first`, so that under an axis the gradient
counts once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from topdis_jax import collectives
from topdis_jax.collectives import AxisName
from topdis_jax.topology.divergences import FORMS, checked_forms
from topdis_jax.topology.divergences import rtd_or_nan, srtd_or_nan
from topdis_jax.topology.engines.primitive import checked_engine
from topdis_jax.topology.lite import rtd_lite_or_nan


def compare(divergence: str | Callable, dist_x: jax.Array, dist_y: jax.Array,
            mask: jax.Array, *, forms: str | Sequence[str],
            axis_name: AxisName, bars: dict[str, Any]) -> jax.Array:
    """The divergence [] of two clouds; on all devices, if there are several.

    Args:
      divergence: a name in the table, or a function (dist_x, dist_y, mask).
      dist_x, dist_y: [n, n] float32, NaN or not valid perhaps: then NaN.
      mask: [n] bool.
      forms: 'min', 'max' or both.
      axis_name: see `topology.rtd`.
      bars: num_bars, power, engine and capacity, for those that have barcodes.

    Raises:
      ValueError: an unknown name or wrong options.
    """
    # Also where they have no effect: a misspelled one is a mistake.
    forms = checked_forms(forms)
    checked_engine(bars['engine'], 0, bars['capacity'])
    if isinstance(divergence, str) and divergence in BY_NAME:
        return BY_NAME[divergence](dist_x, dist_y, mask, forms=forms,
                                   axis_name=axis_name, bars=bars)
    if not callable(divergence):
        raise ValueError(f'divergence must be one of {tuple(BY_NAME)} or a '
                         f'function, received {divergence!r}')
    return collectives.of_first(divergence(dist_x, dist_y, mask), axis_name)


def _rtd(dist_x, dist_y, mask, *, forms, axis_name, bars):
    return rtd_or_nan(dist_x, dist_y, mask, forms=forms, axis_name=axis_name,
                      **bars)


def _srtd(dist_x, dist_y, mask, *, forms, axis_name, bars):
    del forms  # it has but one barcode
    return srtd_or_nan(dist_x, dist_y, mask, axis_name=axis_name, **bars)


def _rtd_lite(dist_x, dist_y, mask, *, forms, axis_name, bars):
    del bars  # of trees it has none
    loss = rtd_lite_or_nan(
        dist_x, dist_y, mask,
        form='both' if set(forms) == set(FORMS) else forms[0])
    return collectives.of_first(loss, axis_name)


BY_NAME: dict[Any, Callable[..., jax.Array]] = {
    'rtd': _rtd, 'srtd': _srtd, 'rtd_lite': _rtd_lite}
