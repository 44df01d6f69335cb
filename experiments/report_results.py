"""The figures of a study: collected, compared, written down."""

import math
import os

from experiments import grid, paired, report_pictures, report_text
from topdis_jax import files
from topdis_jax.training import workfolder


def write(workdir, out):
    """Writes the report of the study in `workdir`; returns its results.

    Other .md files that lie in `out`, written by hand, are linked.
    """
    results = collect(workdir)
    os.makedirs(out, exist_ok=True)
    files.write_json(os.path.join(out, 'results.json'), results)
    pictures = report_pictures.draw(workdir, results, out)
    name = os.path.basename(os.path.abspath(out))
    notes = sorted(file for file in os.listdir(out)
                   if file.endswith('.md') and file != 'README.md')
    with files.replacing(os.path.join(out, 'README.md')) as file:
        file.write(report_text.markdown(name, results, pictures, notes))
    return results


def collect(workdir):
    """All figures of a study, in plain values.

    Seeds count where every arm of the study (TopDis off, on) is finished, so
    that arms are compared on the same seeds.

    Args:
      workdir: folder of experiments.study.

    Returns:
      dict of 'data', {data set: {family: see compare, with 'config'}}, and of
      'unfinished', a list of dicts 'cell', 'state' and 'message'.

    Raises:
      WorkFolderError: there is no study.
    """
    cells = grid.asked_cells(workdir)
    if not cells:
        raise workfolder.WorkFolderError(
            f'{workdir} holds no study; give the --workdir of one')
    runs, unfinished = {}, []
    for cell in cells:
        steps = family_config(workdir, cell)['train']['steps']
        measures = read_run(cell.folder(workdir), steps)
        arms = runs.setdefault((cell.data, cell.family), {})
        arm = arms.setdefault(cell.topdis, {})
        if measures is None:
            unfinished.append(describe(cell, workdir))
        else:
            arm[cell.seed] = measures
    data = {}
    for cell in cells:
        name, family = cell.data, cell.family
        if family not in data.setdefault(name, {}):
            data[name][family] = compare(runs[name, family]) | {
                'config': family_config(workdir, cell)}
    return {'data': data, 'unfinished': unfinished}


def family_config(workdir, cell):
    """What the cells of a family have in common, a nested dict."""
    return workfolder.read_config(
        os.path.join(workdir, cell.data, cell.family))


def describe(cell, workdir):
    """What is known of a cell that has no final scores."""
    state = grid.read(cell.folder(workdir), 'cell.json')
    return {'cell': str(cell), 'state': state.get('state', 'missing'),
            'message': state.get('message', '')}


def read_run(folder, steps):
    """{measure: value} of a finished run, or None."""
    scores = grid.final_scores(folder, steps)
    if scores is None:
        return None
    costs = {'reconstruction': scores.pop('reconstruction')}
    seconds = grid.read(folder, 'cell.json').get('seconds')
    if seconds is not None:
        costs['minutes'] = seconds / 60
    return {name: value for name, value in scores.items()
            if isinstance(value, (int, float))} | costs


def compare(arms):
    """Statistics of a family's runs.

    Args:
      arms: {'off' or 'on': {seed: {measure: value}}}; one of them or both.

    Returns:
      dict of 'seeds', those that all arms have, and of 'measures', {name:
      dict}: for each arm 'mean', 'deviation' (of a sample) and 'values' by
      seed; with two arms 'difference', on minus off: 'mean', 'low', 'high'
      (95 %), 'rises' (seeds in which on is larger); and 'percent', the same
      of the difference in per cent of off.
    """
    seeds = sorted(set.intersection(*map(set, arms.values())))
    runs = [arm[seed] for arm in arms.values() for seed in seeds]
    names = [name for name in (runs[0] if runs else ())
             if all(name in run for run in runs)]
    measures = {}
    for name in names:
        values = {key: [arm[seed][name] for seed in seeds]
                  for key, arm in arms.items()}
        measures[name] = {key: _summary(v, seeds)
                          for key, v in values.items()}
        if len(values) == 2:
            measures[name] |= _differences(values['off'], values['on'])
    return {'seeds': seeds, 'measures': measures}


def _summary(values, seeds):
    mean, deviation = paired.mean_and_deviation(values)
    return {'mean': mean, 'deviation': _plain(deviation),
            'values': dict(zip(map(str, seeds), values))}


def _differences(off, on):
    changes = [b - a for a, b in zip(off, on)]
    found = {'difference': _interval(changes)}
    if all(off):
        found['percent'] = _interval(
            [100 * change / abs(a) for change, a in zip(changes, off)])
    return found


def _interval(changes):
    return {name: _plain(value) for name, value
            in paired.bootstrap(changes)._asdict().items()} | {
                'rises': sum(change > 0 for change in changes)}


def _plain(value):
    """JSON knows no NaN."""
    return None if math.isnan(value) else value
