"""Plots of barcodes, persistence diagrams and divergences.

Each function returns a Figure of Matplotlib that belongs to no window: write
it with `plots.save(figure, path)` or `figure.savefig(path)`.
"""

from collections.abc import Mapping, Sequence
import itertools

from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
import numpy as np

from topdis_jax import topology
from topdis_jax.plots import bar_sets
from topdis_jax.plots.bar_sets import Bars, BarSet

_COLORS = ('tab:blue', 'tab:orange', 'tab:green', 'tab:red')


def barcode(bars: Bars | Sequence[Bars] | Mapping[str, Bars], *,
            title: str | None = None) -> Figure:
    """Plots bars as lines from birth to death, of one or several degrees.

    At most the 200 longest bars of each degree are shown; the legend says how
    many there are. Bars that never end run to the right edge, with an arrow.

    Args:
      bars: what is plotted, one of
        a Barcode, [num_bars], or an array [k, 2] of births and deaths;
        a sequence of them, entry i of degree i, such as the result of
        `topology.rips_barcode` (of which the infinite bar of degree 0, that
        it leaves out, is shown as well) or the 'dgms' of ripser;
        a mapping from names to them.
        Deaths of arrays may be infinite.
      title: of the plot.

    Returns:
      Figure.

    Raises:
      ValueError: other shapes, NaN, or a bar that ends before its birth.
    """
    sets = {name: bar_sets.shorten(bar_set)
            for name, bar_set in bar_sets.from_any(bars).items()}
    figure = Figure(figsize=(6.4, 4.4), layout='constrained')
    axes = figure.add_subplot()
    _plot_bars(axes, sets, height=4.4)
    axes.set_title(title or 'Barcode')
    _legend_or_message(axes, sets)
    return figure


def persistence_diagram(bars: Bars | Sequence[Bars] | Mapping[str, Bars], *,
                        title: str | None = None) -> Figure:
    """Plots each bar as a point (birth, death), of one or several degrees.

    Bars that never end lie on a dashed line above all others.

    Args:
      bars, title: see `barcode`.

    Returns:
      Figure.

    Raises:
      ValueError: see `barcode`.
    """
    sets = bar_sets.from_any(bars)
    end, infinite = bar_sets.axis_end(sets)
    figure = Figure(figsize=(5.2, 5), layout='constrained')
    axes = figure.add_subplot(aspect='equal')
    axes.plot([0, 2 * end], [0, 2 * end], color='gray', linewidth=1)
    marks = itertools.cycle('os^D')
    for (name, bar_set), color, mark in zip(
            sets.items(), itertools.cycle(_COLORS), marks):
        axes.scatter(bar_set.births, np.minimum(bar_set.deaths, end), s=22,
                     color=color, marker=mark, alpha=0.6, clip_on=False,
                     zorder=3, label=bar_sets.describe(name, bar_set))
    if infinite:
        axes.axhline(end, color='gray', linestyle='--', linewidth=1)
        axes.annotate('never ends', (0.98, end), fontsize=9, color='gray',
                      xycoords=('axes fraction', 'data'), ha='right',
                      va='bottom', xytext=(0, 1), textcoords='offset points')
    limits = 0, 1.07 * end if infinite else end
    axes.set(xlim=limits, ylim=limits, xlabel='birth (distance)',
             ylabel='death (distance)', title=title or 'Persistence diagram')
    _legend_or_message(axes, sets)
    return figure


def cross_barcode(dist_x: ArrayLike, dist_y: ArrayLike, *,
                  names: tuple[str, str] = ('x', 'y'),
                  num_bars: int | None = None) -> Figure:
    """Plots the bars that make up the RTD of two clouds, in both directions.

    Above: R-Cross-Barcode_1(x, y), the degree 1 homology of (Rips(min(x, y)),
    Rips(x)): what is connected in y, and not yet in x. Below: the other
    direction. The mean of the two sums of lengths is `topology.rtd(dist_x,
    dist_y, forms='min', num_bars=None)`.

    Source: Barannikov et al., Representation Topology Divergence, ICML 2022.

    Args:
      dist_x, dist_y: [n, n] float32, distances within each cloud. Scale both
        alike, as with `topology.scale_by_quantile`.
      names: of the two clouds.
      num_bars: bars that are computed of each, the longest; None for all.

    Returns:
      Figure.

    Raises:
      ValueError, TypeError: see `topology.relative_barcode`.
    """
    low = np.minimum(np.asarray(dist_x), np.asarray(dist_y))
    figure = Figure(figsize=(6.4, 6), layout='constrained')
    panels = figure.subplots(2, 1, sharex=True)
    sums = []
    for axes, upper, (name, other) in zip(panels, (dist_x, dist_y),
                                          (names, names[::-1])):
        bars = topology.relative_barcode(low, upper, num_bars=num_bars)
        bar_set = bar_sets.from_one('bars', bars)
        sums.append(np.sum(bar_set.deaths - bar_set.births))
        shown = bar_sets.shorten(bar_set)
        _plot_bars(axes, {'bars': shown}, height=3)
        axes.set_title(f'{name} to {other}: {bar_sets.count(shown)} bars, sum '
                       f'of lengths {sums[-1]:.4g}', fontsize=10)
        if not len(bar_set.births):
            _say(axes, 'no bars')
    # The axes are shared: both reach as far as the longer one.
    panels[0].set_xlim(0, max(_end_of(axes) for axes in panels))
    panels[0].set_xlabel('')
    figure.suptitle(f'Cross-barcodes: RTD {np.mean(sums):.4g}')
    return figure


def divergence_matrix(values: ArrayLike, names: Sequence[str], *,
                      stds: ArrayLike | None = None,
                      label: str = 'divergence') -> Figure:
    """Plots the divergences of all pairs of clouds as a matrix with numbers.

    Args:
      values: [m, m] real, the divergence of clouds i and j at [i, j].
      names: m names of clouds.
      stds: [m, m], standard deviations, shown below the numbers if given; NaN
        where there is none.
      label: of the color bar, such as the name of the divergence.

    Returns:
      Figure.

    Raises:
      ValueError: wrong shapes or number of names.
    """
    cells, size = np.asarray(values, float), len(names)
    if cells.shape != (size, size) or not (
            stds is None or np.shape(stds) == cells.shape):
        raise ValueError(
            f'values and stds must have shape [m, m], with one of m names for '
            f'each row; received {cells.shape}, '
            f'{None if stds is None else np.shape(stds)} and {size} names')
    width = 2.6 + 0.75 * size
    figure = Figure(figsize=(width + 0.8, width), layout='constrained')
    axes = figure.add_subplot()
    axes.set_title(f'{label} of {size} clouds')
    if not size:
        axes.set(xlabel='cloud', ylabel='cloud', xticks=[], yticks=[])
        _say(axes, 'no clouds')
        return figure
    spread = np.full_like(cells, np.nan) if stds is None else np.asarray(stds)
    shown = axes.imshow(cells, cmap='viridis')
    axes.set_xticks(range(size), names, rotation=45, ha='right',
                    rotation_mode='anchor')
    axes.set_yticks(range(size), names)
    middle = (np.min(cells) + np.max(cells)) / 2
    for (i, j), value in np.ndenumerate(cells):
        text = f'{value:.3g}'
        if i != j and np.isfinite(spread[i, j]):
            text += f'\n± {spread[i, j]:.2g}'
        axes.text(j, i, text, ha='center', va='center', fontsize=9,
                  color='black' if value > middle else 'white')
    figure.colorbar(shown, label=label, shrink=0.8)
    return figure


def _plot_bars(axes: Axes, sets: dict[str, BarSet], height: float) -> None:
    """A line for each bar, sets one above another, by birth within a set.

    The axes with their labels are some `height` inches high.
    """
    end, _ = bar_sets.axis_end(sets)
    total = sum(len(bar_set.births) for bar_set in sets.values())
    # Two thirds of the height that there is for each, in points.
    width = float(np.clip(0.67 * 50 * height / max(total, 1), 0.5, 5))
    below = 0
    for (name, bar_set), color in zip(sets.items(), itertools.cycle(_COLORS)):
        order = np.lexsort((bar_set.deaths, bar_set.births))
        births, deaths = bar_set.births[order], bar_set.deaths[order]
        heights = below + np.arange(len(births))
        ends = np.minimum(deaths, end)
        lines = np.stack([np.stack([births, heights], 1),
                          np.stack([ends, heights], 1)], 1)
        axes.add_collection(LineCollection(
            list(lines), colors=color, linewidths=width,
            label=bar_sets.describe(name, bar_set)))
        endless = heights[np.isinf(deaths)]
        if len(endless):
            axes.plot(np.full(len(endless), end), endless, '>', color=color,
                      markersize=8, clip_on=False)
        below += len(births)
    axes.set(xlim=(0, end), ylim=(-1, max(below, 1)), yticks=[],
             xlabel='distance', ylabel='bars')


def _end_of(axes):
    return axes.get_xlim()[1]


def _legend_or_message(axes, sets):
    """A legend below the axes, which hides no bar; or that there are none."""
    if any(len(bar_set.births) for bar_set in sets.values()):
        axes.figure.legend(loc='outside lower center', ncols=2, fontsize=9)
    else:
        _say(axes, 'no bars')


def _say(axes, message):
    axes.text(0.5, 0.6, message, ha='center', va='center', color='gray',
              transform=axes.transAxes, fontsize=12)
