"""The pictures of a study's report."""

import math
import os

from matplotlib.figure import Figure
import numpy as np
from PIL import Image

from experiments.study import cells, grid, report_text
from topdis_jax import plots

_PAGE = 13  # inches that panels may take side by side
_COLORS = {'off': 'tab:gray', 'on': 'tab:blue'}


def plot(workdir, results, out):
    """Draws what the results allow; returns {data: [(file, caption), ...]}.

    Args:
      workdir: folder of the study, whose runs have plotted their traversals.
      results: see report_results.collect.
      out: folder of the pictures.
    """
    pictures = {}
    for data, families in results['data'].items():
        done = {key: family for key, family in families.items()
                if family['seeds']}
        if not done:
            continue
        name = f'paired_{data}.png'
        paired_dots(os.path.join(out, name), done)
        pictures[data] = [(name, 'Scores of each seed, TopDis off and on')]
        name = f'curves_{data}.png'
        if score_curves(os.path.join(out, name), done, {
                key: results['runs'][data][key]['arms'] for key in done}):
            pictures[data].append(
                (name, 'Scores along the training of each seed'))
        for key, family in done.items():
            name = f'traversals_{data}_{key}.png'
            if median_traversals(os.path.join(out, name), workdir, data, key,
                                 family):
                pictures[data].append(
                    (name, f'{key}: traversals of the median runs'))
    return pictures


def paired_dots(path, families):
    """A panel for each score: off and on joined, a line for each seed.

    Args:
      path: of the PNG.
      families: {name: what report_results.compare gives, with 'config'}.
    """
    names = [name for name in dict.fromkeys(
        n for family in families.values() for n in report_text.shown(family))
        if name != 'minutes']
    width = max(0.9 + 0.75 * len(families), 2.2)
    columns = min(len(names), max(1, int(_PAGE / width)))
    rows = math.ceil(len(names) / columns)
    height = 2 + 0.045 * max(map(len, families))  # slanted labels take room
    figure = Figure(figsize=(width * columns, height * rows + 0.9),
                    layout='constrained')
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(names):]:
        axes.set_axis_off()
    for axes, name in zip(panels, names):
        for place, family in enumerate(families.values()):
            if name in family['measures']:
                _pairs(axes, place, family['measures'][name])
        title = report_text.label(name)
        if len(families) < 3:  # narrow panels, of which the last is at the edge
            title = title.replace(' (', '\n(')
        axes.set_title(title, fontsize=10)
        axes.set_xticks(range(len(families)), families, rotation=30,
                        ha='right', fontsize=9)
        axes.set_xlim(-0.5, len(families) - 0.5)
        axes.grid(axis='y', alpha=0.3)
    arms = [arm for arm in grid.SWITCH if any(
        arm in measure for family in families.values()
        for measure in family['measures'].values())]
    _legend(figure, panels[0], arms)
    mark = 'line' if len(arms) > 1 else 'point'
    figure.suptitle(f'Each {mark} is a seed; bars are means', fontsize=11)
    plots.save(figure, path)


def _pairs(axes, place, measure):
    arms = [arm for arm in grid.SWITCH if arm in measure]
    x = dict(zip(grid.SWITCH, (place - 0.18, place + 0.18)))
    values = [list(measure[arm]['values'].values()) for arm in arms]
    axes.plot([x[arm] for arm in arms], values, '-', color='0.75',
              linewidth=1, zorder=1)
    for arm, column in zip(arms, values):
        axes.plot([x[arm]] * len(column), column, 'o', markersize=4,
                  color=_COLORS[arm], zorder=2)
        axes.hlines(np.mean(column), x[arm] - 0.1, x[arm] + 0.1,
                    color=_COLORS[arm], linewidth=2)


def score_curves(path, families, runs):
    """Scores along the training: a row for each score, a column per family.

    Args:
      path: of the PNG.
      families: {name: what report_results.compare gives, with 'config'}.
      runs: {name: {'off' or 'on': {seed: see report_results.read_run}}}.

    Returns:
      Whether there were any to show: runs score themselves on the way only
      where train.eval_every says so.
    """
    names = [name for name in dict.fromkeys(
        n for family in families.values() for n in report_text.shown(family))
        if name not in cells.COSTS]
    curves = {(key, arm, seed): runs[key][arm][seed]['curve']
              for key, family in families.items() for arm in runs[key]
              for seed in family['seeds']}
    if not any(len(curve) > 1 for curve in curves.values()):
        return False
    width = min(2.4, max(1.4, _PAGE / len(families)))
    figure = Figure(figsize=(width * len(families) + 0.6, 2.0 * len(names) + 1),
                    layout='constrained')
    panels = figure.subplots(len(names), len(families), squeeze=False,
                             sharex=True, sharey='row')
    for row, name in zip(panels, names):
        row[0].set_ylabel(report_text.label(name), fontsize=9)
        for (key, arm, _), curve in curves.items():
            axes = row[list(families).index(key)]
            axes.plot(*zip(*((step, scores[name]) for step, scores in curve
                             if name in scores)), '.-', linewidth=1,
                      color=_COLORS[arm])
    for axes, key in zip(panels[0], families):
        axes.set_title(key.replace('+', '\n+'), fontsize=10)
    for axes in panels[-1]:
        axes.set_xlabel('step', fontsize=9)
    arms = [arm for arm in grid.SWITCH if any(
        arm == other for _, other, _ in curves)]
    _legend(figure, panels[0, 0], arms)
    plots.save(figure, path)
    return True


def _legend(figure, axes, arms):
    handles = [axes.plot([], [], 'o', color=_COLORS[arm],
                         label=f'TopDis {arm}')[0] for arm in arms]
    figure.legend(handles=handles, loc='outside lower center', ncols=2,
                  fontsize=9, frameon=False)


def median_seed(measure, arm):
    """The seed of the median value; the lower one of an even number."""
    values = measure[arm]['values']
    return sorted(values, key=values.get)[(len(values) - 1) // 2]


def median_traversals(path, workdir, data, key, family):
    """The traversals of the median runs, off and on beside one another.

    Where a median run is not in `workdir`, a picture that is there is kept.

    Returns:
      Whether there is a picture.
    """
    name = report_text.shown(family)[0]
    measure = family['measures'][name]
    panels = []
    for arm in grid.SWITCH:
        if arm not in measure:
            return False  # nothing to compare
        seed = median_seed(measure, arm)
        cell = grid.Cell(data, key, arm, seed)
        source = os.path.join(cell.folder(workdir), 'traversals.png')
        if os.path.exists(source):
            value = measure[arm]['values'][seed]
            panels.append((
                f'{key}, TopDis {arm}: seed {seed}, '
                f'{report_text.label(name)} {value:.3f}',
                np.asarray(Image.open(source).convert('RGB'))))
    if len(panels) == len(grid.SWITCH):
        _side_by_side(path, panels)
    return os.path.exists(path)


def _side_by_side(path, panels):
    """Images with a heading each, at their own size but for the heading."""
    dpi, heading = plots.DPI, 0.35
    widths = [image.shape[1] / dpi for _, image in panels]
    tallest = max(image.shape[0] for _, image in panels) / dpi
    total, height = sum(widths), tallest + heading
    figure = Figure(figsize=(total, height))
    left = 0.0
    for (title, image), width in zip(panels, widths):
        axes = figure.add_axes((left / total, 0, width / total,
                                tallest / height))
        axes.imshow(image)
        axes.set_axis_off()
        axes.set_title(title, fontsize=12)
        left += width
    plots.save(figure, path, colors=256)
