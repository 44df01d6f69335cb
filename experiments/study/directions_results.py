"""What the directions of several runs show: numbers and tables."""

import numpy as np
from scipy import stats

from experiments.study import cells

# Whether the larger is the better. Of the axes of a set the mean, or the
# least; a shift in standard deviations of the codes.
MEASURES = {'MIG': True, 'mean divergence': False, 'least divergence': False,
            'mean shift': False}
_KINDS = {'found': 'found', 'components': 'principal components',
          'latents': 'latents'}
_HEADER = ('measure', 'family', 'runs', 'latents', 'principal components',
           'random: mean, range', 'found', 'better than all random',
           'place among them', 'better than components',
           'better than latents')


def describe(cell, measured):
    """The numbers of a run, for JSON.

    Args:
      cell: grid.Cell.
      measured: what is in its directions.json.

    Returns:
      dict of 'data', 'family', 'topdis', 'seed', 'axes' (how many were found),
      for each of MEASURES a dict of 'found', 'components', 'random' (a list)
      and of MIG 'latents', and 'spearman', {other measure: its correlation
      with MIG over the random sets, or None where it has none}.
    """
    run = {'data': cell.data, 'family': cell.variant, 'topdis': cell.topdis,
           'seed': cell.seed, 'axes': len(measured['found']['axes'])}
    for name in MEASURES:
        run[name] = {kind: _of(name, measured[title])
                     for kind, title in _KINDS.items()
                     if name == 'MIG' or kind != 'latents'}
        run[name]['random'] = [_of(name, values)
                               for kind, values in measured.items()
                               if kind.startswith('random')]
    run['spearman'] = {
        name: _correlation(run['MIG']['random'], run[name]['random'])
        for name in MEASURES if name != 'MIG'}
    return run


def _of(name, values):
    """A measure of one set of axes."""
    if name == 'MIG':
        return round(values['mig'], 4)
    of_axes, key = name.split()
    along = values['length' if key == 'shift' else key]
    return round(float(np.mean(along) if of_axes == 'mean' else min(along)), 4)


def _correlation(x, y):
    """Spearman's, or None where all values of one are alike."""
    if min(np.ptp(x), np.ptp(y)) == 0:
        return None
    return round(float(stats.spearmanr(x, y).statistic), 3)


def tables(results):
    """Two tables in Markdown: the measures, and the correlations.

    Runs with one axis are left out, for it cannot be rotated; they are named.

    Args:
      results: list of what `describe` gives.
    """
    families, alone = {}, []
    for run in results:
        if run['axes'] > 1:
            families.setdefault(_family(run), []).append(run)
        else:
            alone.append(f'{_family(run)}, seed {run["seed"]}')
    rows = [[name, family, str(len(runs)), *_row(name, runs)]
            for name in MEASURES for family, runs in families.items()]
    text = cells.table(_HEADER, rows) + '\n' + _correlations(families)
    if alone:
        text += f'\nFewer than two axes: {"; ".join(alone)}.\n'
    return text


def _family(run):
    """Its family, and what it has beside it."""
    return (run['family'] + (', TopDis' if run['topdis'] == 'on' else '')
            + ('' if run['data'] == 'sprites_small' else f', {run["data"]}'))


def _row(name, runs):
    """The cells of a measure of a family, after the number of its runs."""
    values = [run[name] for run in runs]
    sets = [x for value in values for x in value['random']]
    means = {kind: np.mean([value[kind] for value in values])
             for kind in _KINDS if kind in values[0]}
    places = [1 + sum(not _better(name, value['found'], x)
                      for x in value['random']) for value in values]
    wins = {kind: sum(_better(name, value['found'], value[kind])
                      for value in values) for kind in means}
    shown = {kind: f'{mean:.3f}' for kind, mean in means.items()}
    return [shown.get('latents', '-'), shown['components'],
            f'{np.mean(sets):.3f}, {min(sets):.3f} to {max(sets):.3f}',
            shown['found'], f'{places.count(1)} of {len(runs)}',
            ' '.join(map(str, places)),
            *(f'{wins[kind]} of {len(runs)}' if kind in wins else '-'
              for kind in ('components', 'latents'))]


def _better(name, x, y):
    return x > y if MEASURES[name] else x < y


def _correlations(families):
    """The table of the correlations with MIG, seed by seed."""
    names = [name for name in MEASURES if name != 'MIG']
    rows = [[family, ' '.join(str(run['seed']) for run in runs),
             *(' '.join(_signed(run['spearman'][name]) for run in runs)
               for name in names)] for family, runs in families.items()]
    return cells.table(['family', 'seeds', *(
        f'Spearman of MIG and {name}' for name in names)], rows)


def _signed(value):
    return '-' if value is None else f'{value:+.2f}'
