"""The figures of a study: collected, compared, written down."""

import copy
import math
import os

from experiments.study import floors, grid, paired
from experiments.study import report_pictures, report_text
from topdis_jax import files
from topdis_jax.training import workfolder


def write(workdir, out):
    """Writes the report of the study in `workdir`; returns its results.

    Runs that are in the report that lies in `out` already, and not in
    `workdir`, stay in it: a study may be done in parts, in several places.
    Other .md files that lie in `out`, written by hand, are linked.

    Raises:
      WorkFolderError: there is no study, or the report in `out` is of another
        configuration.
    """
    results = collect(workdir, grid.read(out, 'results.json'))
    os.makedirs(out, exist_ok=True)
    files.write_json(os.path.join(out, 'results.json'), results)
    pictures = report_pictures.plot(workdir, results, out)
    name = os.path.basename(os.path.abspath(out))
    notes = sorted(file for file in os.listdir(out)
                   if file.endswith('.md') and file != 'README.md')
    with files.replacing(os.path.join(out, 'README.md')) as file:
        file.write(report_text.markdown(name, results, pictures, notes))
    return results


def collect(workdir, earlier=None):
    """All figures of a study, in plain values.

    Seeds count where every arm of the study (TopDis off, on) is finished, so
    that arms are compared on the same seeds.

    Args:
      workdir: folder of experiments.study.
      earlier: results of an earlier report, whose runs are kept.

    Returns:
      dict of 'runs', {data set: {variant: {'config': nested dict, 'arms':
      {'off' or 'on': {seed: see read_run}}}}}; of 'data', {data set:
      {variant: see compare, with 'config'}}; of 'floors', {data set: the least
      reconstruction in nats}; and of 'unfinished', a list of dicts 'cell',
      'state' and 'message'.

    Raises:
      WorkFolderError: there is no study, or `earlier` is of another
        configuration.
    """
    cells = grid.asked_cells(workdir)
    if not cells:
        raise workfolder.WorkFolderError(
            f'{workdir} holds no study; give the --workdir of one')
    earlier = copy.deepcopy(earlier or {})
    runs, unfinished = earlier.get('runs', {}), []
    for cell in cells:
        config = variant_config(workdir, cell)
        group = runs.setdefault(cell.data, {}).setdefault(
            cell.variant, {'config': config, 'arms': {}})
        _check_same(group['config'], config, cell)
        arm = group['arms'].setdefault(cell.topdis, {})
        run = read_run(cell.folder(workdir), config['train']['steps'])
        if run is not None:
            arm[str(cell.seed)] = run
        elif str(cell.seed) not in arm:
            unfinished.append(describe(cell, workdir))
    names = set(map(str, cells))
    unfinished += [cell for cell in earlier.get('unfinished', ())
                   if cell['cell'] not in names]
    known = find_floors(runs, earlier.get('floors', {}))
    return {'runs': runs, 'data': compare_all(runs, known), 'floors': known,
            'unfinished': unfinished}


def find_floors(runs, known):
    """The least reconstruction of each data set in `runs` that is here.

    Args:
      runs: see collect.
      known: those that need not be computed, {data set: nats}.
    """
    found = {name: known[name] if name in known else floors.of_config(
        next(iter(variants.values()))['config']['data'] | {'name': name})
        for name, variants in runs.items()}
    return {name: floor for name, floor in found.items() if floor is not None}


def compare_all(runs, known):
    """{data set: {variant: see compare, with 'config'}}, of all runs.

    Args:
      runs: see collect.
      known: {data set: its least reconstruction in nats}.
    """
    return {name: {variant: compare(group['arms'], known.get(name))
                   | {'config': group['config']}
                   for variant, group in variants.items()}
            for name, variants in runs.items()}


def variant_config(workdir, cell):
    """What the cells of a variant have in common, a nested dict."""
    return workfolder.read_config(
        os.path.join(workdir, cell.data, cell.variant))


def _check_same(earlier, now, cell):
    lines = workfolder.differences(earlier, now)
    # A run may be taken on, but one table does not mix two lengths.
    lengths = [config['train']['steps'] for config in (earlier, now)]
    if lengths[0] != lengths[1]:
        lines.append('  train.steps: {} there, {} now'.format(*lengths))
    if lines:
        raise workfolder.WorkFolderError(
            f'the report there is of another configuration of {cell.variant}:'
            '\n' + '\n'.join(lines) + '\nGive another --out.')


def read(path):
    """What a report's results.json holds.

    Raises:
      WorkFolderError: it is not there, or cannot be read.
    """
    results = grid.read(*os.path.split(path))
    if not results:
        raise workfolder.WorkFolderError(
            f'{path} is not there; give the results.json of a report '
            '(experiments.study.report writes it)')
    return results


def describe(cell, workdir):
    """What is known of a cell that has no final scores."""
    last = grid.read(cell.folder(workdir), 'cell.json')
    state = last.get('state', 'missing')
    return {'cell': str(cell),
            'state': 'scored at another step' if state == 'finished' else state,
            'message': last.get('message', '')}


def read_run(folder, steps):
    """A finished run, or None.

    Returns:
      dict of 'measures', {name: value}, and 'curve', [[step, {name: value}]]:
      the scores on the way and, last, those of the end.
    """
    final = grid.final_scores(folder, steps)
    if final is None:
        return None
    measures = _numbers(final)
    rows = workfolder.read_rows(os.path.join(folder, 'metrics.jsonl'))
    curve = [[row['step'], _numbers(row['scores'])]
             for row in rows if 'scores' in row]
    curve.append([final['settings']['step'], dict(measures)])
    seconds = grid.read(folder, 'cell.json').get('seconds')
    if seconds is not None:
        measures['minutes'] = seconds / 60
    return {'measures': measures, 'curve': curve}


def _numbers(scores):
    return {name: value for name, value in scores.items()
            if isinstance(value, (int, float))}


def compare(arms, floor=None):
    """Statistics of a variant's runs.

    Args:
      arms: {'off' or 'on': {seed: see read_run}}; one of them or both.
      floor: the least reconstruction that any model can have, in nats.

    Returns:
      dict of 'seeds', those that all arms have, and of 'measures', {name:
      dict}: for each arm 'mean', 'deviation' (of a sample) and 'values' by
      seed; with two arms 'difference', on minus off: 'mean', 'low', 'high'
      (95 %), 'sign_flip' (p), 'rises' (seeds in which on is larger). Where
      the floor is known, reconstruction has 'above_floor' too: the same of the
      differences in per cent of what off has above the floor.
    """
    seeds = sorted(set.intersection(*map(set, arms.values())), key=int)
    found = {key: [arm[seed]['measures'] for seed in seeds]
             for key, arm in arms.items()}
    runs = [run for arm in found.values() for run in arm]
    names = [name for name in (runs[0] if runs else ())
             if all(name in run for run in runs)]
    measures = {}
    for name in names:
        values = {key: [run[name] for run in arm]
                  for key, arm in found.items()}
        measures[name] = {key: _summary(v, seeds)
                          for key, v in values.items()}
        if len(values) == 2:
            off, changes = values['off'], [
                b - a for a, b in zip(values['off'], values['on'])]
            measures[name]['difference'] = _difference(changes)
            if name == 'reconstruction' and floor is not None:
                measures[name]['above_floor'] = _difference([
                    100 * change / (a - floor)
                    for change, a in zip(changes, off)])
    return {'seeds': seeds, 'measures': measures}


def _summary(values, seeds):
    mean, deviation = paired.mean_and_deviation(values)
    return {'mean': mean, 'deviation': _plain(deviation),
            'values': dict(zip(seeds, values))}


def _difference(changes):
    found = paired.t_interval(changes)._asdict()
    return {name: _plain(value) for name, value in found.items()} | {
        'sign_flip': paired.sign_flip_test(changes),
        'rises': sum(change > 0 for change in changes)}


def _plain(value):
    """JSON knows no NaN."""
    return None if math.isnan(value) else value
