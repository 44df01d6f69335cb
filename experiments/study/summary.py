"""The effect of the loss over all settings: tests over families x seeds.

Runs of one family and seed are not independent: settings may share the runs
without the loss, or be the same runs at two steps. So their differences are
averaged first, and the mean of a family and seed counts as one value.
"""

import math

import numpy as np

from experiments.study import cells, paired

_NOTE = '''\
Each cell has the mean difference, on minus off, with its 95% t-interval; in
how many pairs on is larger; and p of the two-sided t-test and sign-flip test.
The differences of one family and seed are averaged first and count as one
value, of a single family and in **all**. As families share their seeds,
**all, by seed** averages them too: each seed counts as one value. p of a single
family is corrected for the number of families (Holm). p of **all** and **all,
by seed** is not corrected, and no p is corrected for the number of scores. The
sign-flip test of n values cannot give a p below 2^(1 - n), here {least} for
{seeds} seeds, which becomes {corrected} when corrected for {families} families.
'''
_ROWS = {'all': '**all**', 'seeds': '**all, by seed**'}


def note(summary):
    """What the cells of a summary's table mean."""
    seeds = max(found['seeds']['values'] for found in summary.values())
    families = max(len(found['families']) for found in summary.values())
    least = 2.0 ** (1 - seeds)
    return _NOTE.format(
        seeds=seeds, families=families, least=cells.p_value(least),
        corrected=cells.p_value(min(1.0, families * least)))


def summarize(variants, names):
    """Statistics of each family, and of all families together.

    Args:
      variants: [(family, what report_results.compare gives)].
      names: of the measures.

    Returns:
      {measure: {'families': {family: see _describe}, 'all': the same, 'seeds':
      the same}}, of the measures that have differences.
    """
    summary = {}
    for name in names:
        blocks = _blocks(variants, name)
        if not blocks:
            continue
        families = {family: _describe(_of(blocks, 0, family))
                    for family in dict.fromkeys(key[0] for key in blocks)}
        for test in ('t_test', 'sign_flip'):
            corrected = paired.holm([row[test] for row in families.values()])
            for row, p in zip(families.values(), corrected):
                row[test] = p
        groups = [_of(blocks, 1, seed)
                  for seed in dict.fromkeys(key[1] for key in blocks)]
        summary[name] = {
            'families': families, 'all': _describe(list(blocks.values())),
            'seeds': _describe(list(blocks.values()), [
                np.mean(_means(group)) for group in groups])}
    return summary


def _blocks(variants, name):
    """{(family, seed): differences of its settings}."""
    blocks = {}
    for family, found in variants:
        measure = found['measures'].get(name, {})
        if 'difference' in measure:
            for seed in found['seeds']:
                off, on = (measure[arm]['values'][seed]
                           for arm in ('off', 'on'))
                blocks.setdefault((family, seed), []).append(on - off)
    return blocks


def _of(blocks, place, wanted):
    """Blocks of one family (place 0) or of one seed (1)."""
    return [block for key, block in blocks.items() if key[place] == wanted]


def _means(blocks):
    return [float(np.mean(block)) for block in blocks]


def _describe(blocks, values=None):
    """Statistics of differences.

    Args:
      blocks: lists of differences.
      values: what is tested; None: the means of the blocks.

    Returns:
      dict of 'mean', 'low', 'high' (95 %), 't_test', 'sign_flip' (p), 'rises',
      'pairs' and 'values' (how many are tested).
    """
    values = _means(blocks) if values is None else values
    changes = [change for block in blocks for change in block]
    return paired.t_interval(values)._asdict() | {
        't_test': paired.t_test(values),
        'sign_flip': paired.sign_flip_test(values),
        'rises': sum(change > 0 for change in changes),
        'pairs': len(changes), 'values': len(values)}


def rows(summary):
    """Cells of a table: a family each, then all together if there are more."""
    families = dict.fromkeys(
        family for found in summary.values() for family in found['families'])
    lines = [[family, *(_cell(name, found['families'].get(family))
                        for name, found in summary.items())]
             for family in families]
    if len(families) > 1:
        lines += [[label, *(_cell(name, found[key])
                            for name, found in summary.items())]
                  for key, label in _ROWS.items()]
    return lines


def _cell(name, row):
    if row is None:
        return '-'
    lines = [cells.change(row, cells.digits(name)),
             f'{row["rises"]} of {row["pairs"]}']
    if not math.isnan(row['t_test']):
        lines.append('p ' + ', '.join(
            cells.p_value(row[test]) for test in ('t_test', 'sign_flip')))
    return '<br>'.join(lines)
