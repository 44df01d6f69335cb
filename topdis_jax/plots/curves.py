"""Curves of the loss and its terms over the training steps."""

from collections.abc import Mapping, Sequence
import os
from typing import Any

from matplotlib.figure import Figure
import numpy as np

from topdis_jax.plots.figures import save

_TERMS = {
    'loss': 'Loss (nats per image)',
    'reconstruction': 'Reconstruction (nats per image)',
    'kl': 'KL (nats per image)',
    'topdis': 'TopDis (scaled distance)',
}
_LAST = {'grad_norm': 'Norm of the gradient'}


def loss_curves(path: str | os.PathLike, rows: Sequence[Mapping[str, Any]], *,
                delay: int = 0,
                labels: Mapping[str, str] | None = None) -> None:
    """Plots the terms of the loss over the steps, a panel for each.

    Args:
      path: of the PNG.
      rows: dicts with 'step' and terms.
      delay: step after which TopDis is on; marked if the log has it.
      labels: titles of terms that are not known here, or in place of the
        usual ones.
    """
    titles = _TERMS | dict(labels or {}) | _LAST
    curves = {name: _finite(rows, name) for name in titles}
    curves = {name: curve for name, curve in curves.items() if len(curve[0])}
    columns = max(1, min(3, len(curves)))
    lines = max(1, -(-len(curves) // columns))
    figure = Figure(figsize=(4.2 * columns, 2.8 * lines), layout='constrained')
    started = any('topdis' in row for row in rows) and delay > 0
    for (name, (steps, values)), place in zip(
            curves.items(), _places(figure, len(curves), columns, lines)):
        axes = figure.add_subplot(place)
        axes.set_title(titles[name], fontsize=10)
        _curve(axes, steps, values, smooth=name == 'topdis')
        axes.set_xlabel('step', fontsize=9)
        axes.grid(alpha=0.3)
        if started and name != 'topdis':
            axes.axvline(delay, color='gray', linestyle=':', linewidth=1)
            axes.annotate('TopDis on', (delay, 0.97), fontsize=8, ha='left',
                          xycoords=('data', 'axes fraction'), color='gray',
                          va='top', xytext=(3, 0), textcoords='offset points')
    save(figure, path)


def _finite(rows, name):
    """(steps [n], values [n]) of the rows that have a finite value."""
    found = [(row['step'], row[name]) for row in rows
             if np.isfinite(row.get(name, np.nan))]
    steps, values = zip(*found) if found else ((), ())
    return np.array(steps), np.array(values, float)


def _places(figure, count, columns, lines):
    """Places of panels, which fill each line: a shorter last one is wider."""
    grid = figure.add_gridspec(lines, columns * (columns - 1) or 1)
    for place in range(count):
        line = place // columns
        width = grid.ncols // min(columns, count - line * columns)
        left = (place - line * columns) * width
        yield grid[line, left:left + width]


def _curve(axes, steps, values, smooth):
    """A curve; a single value as a dot."""
    marker = 'o' if len(values) == 1 else None
    # Each step shifts another latent, and each latent has its own RTD.
    window = _window(len(values)) if smooth else 1
    if window == 1:
        axes.plot(steps, values, linewidth=1, marker=marker)
        return
    (raw,) = axes.plot(steps, values, linewidth=0.6, alpha=0.3,
                       label='logged values (one latent shifted in each)')
    axes.plot(steps, _running_mean(values, window), linewidth=1.5,
              color=raw.get_color(), label=f'mean of {window} logged values')
    axes.set_ylim(0, 1.5 * np.quantile(values, 0.98))
    axes.legend(fontsize=7, loc='upper right')


def _window(count):
    """How many values are averaged: a fifth, 51 at most; odd."""
    return min(count // 10, 25) * 2 + 1


def _running_mean(values, window):
    """Mean of the values [n] around each, fewer of them at the ends."""
    ones = np.ones(window)
    return (np.convolve(values, ones, 'same')
            / np.convolve(np.ones(len(values)), ones, 'same'))
