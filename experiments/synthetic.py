"""Clusters and rings: how divergences grow with a change of the topology.

    python -m experiments.synthetic --workdir=runs/synthetic

The two synthetic experiments of Barannikov et al., Representation Topology
Divergence, ICML 2022, as its published notebooks make them:
  clusters: 300 points of one normal cloud, in 60 groups of 5. Compared with
    the same points in k = 2, 3, 4, 5, 6, 10, 12 clusters: group i is moved by
    10 in direction i mod k.
  rings: five concentric rings of 100 points with radii 0.5 to 1.5. Compared
    with 5, 4, 3, 2 and 1 rings: some rings are given the radius 1.
All points are compared, without subsets. Prints the divergence at each number
and Kendall's tau with the change, for the seed of the notebook (rings have
none) and as a mean over --seeds other seeds of the clusters. Writes
synthetic.json and synthetic.png.
"""

import functools
import json
import pathlib

from absl import flags
from matplotlib.figure import Figure
import numpy as np
from scipy import stats
from tqdm import tqdm

from experiments import console
from topdis_jax import plots, topology

PUBLISHED_SEED = 7
CLUSTERS = (2, 3, 4, 5, 6, 10, 12)
RINGS = (5, 4, 3, 2, 1)
DIVERGENCES = {
    'RTD': 'rtd',
    'RTD, max form': functools.partial(topology.rtd, forms='max',
                                       num_bars=None),
    'SRTD': 'srtd',
    'RTD-Lite': 'rtd_lite',
    'Max-RTD-Lite': functools.partial(topology.rtd_lite, form='max'),
    'SRTD-Lite': functools.partial(topology.rtd_lite, form='both'),
    # Similarities: they fall.
    'NTS-E': 'nts',
    'NTS-M': functools.partial(topology.nts, minimax=True),
}
_SIMILARITIES = ('NTS-E', 'NTS-M')


def clusters(seed):
    """(One cloud [300, 2], {k: the same points in k clusters})."""
    rng = np.random.RandomState(seed)  # the generator of the notebook
    groups = np.stack([
        rng.multivariate_normal(np.zeros(2), np.eye(2), 5)
        for _ in range(60)])
    moved = {}
    for k in CLUSTERS:
        angle = 2 * np.pi * (np.arange(60) % k) / k
        centers = 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        moved[k] = (groups + centers[:, None]).reshape(300, 2)
    return groups.reshape(300, 2), moved


def rings():
    """(Five rings [500, 2], {k: as many points on k rings})."""
    angle = 2 * np.pi * np.arange(100) / 100
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    radii = np.array([1.25, 0.75, 1.5, 0.5])
    clouds = {}
    for k in RINGS:
        of_each = np.concatenate([np.ones(6 - k), radii[:k - 1]])
        clouds[k] = (of_each[:, None, None] * circle).reshape(500, 2)
    return clouds[5], clouds


def measure(base, clouds):
    """name -> divergences of a cloud and others, in their order."""
    return {name: [topology.compare(base, cloud, divergence=divergence,
                                    subset=None).mean
                   for cloud in clouds.values()]
            for name, divergence in DIVERGENCES.items()}


def tau(name, values):
    """Kendall's tau of values with their order; of similarities, negated."""
    found = stats.kendalltau(values, np.arange(len(values))).statistic
    return float(-found if name in _SIMILARITIES else found)


def table(measured, names, taus=None):
    """Markdown: a row for each divergence.

    Args:
      measured: name -> values.
      names: of the columns, one for each value.
      taus: name -> taus of other seeds, or None.
    """
    heads = ['divergence', *map(str, names), 'tau']
    if taus:
        heads.append(f'tau, {len(next(iter(taus.values())))} seeds')
    lines = ['| ' + ' | '.join(heads) + ' |', '|---' * len(heads) + '|']
    for name, values in measured.items():
        cells = [name, *(f'{v:.3g}' for v in values),
                 f'{tau(name, values):.2f}']
        if taus:
            cells.append(f'{np.mean(taus[name]):.2f} '
                         f'({min(taus[name]):.2f} to {max(taus[name]):.2f})')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def plot(path, results):
    """The clouds above, divergences below, a column for each experiment."""
    figure = Figure(figsize=(9, 5.6), layout='constrained')
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 2.2))
    shown = [('clusters', clusters(PUBLISHED_SEED)[1], (2, 5, 12)),
             ('rings', rings()[1], (5, 3, 1))]
    panels = iter(upper.subplots(1, 6))
    for kind, clouds, some in shown:
        for k in some:
            axes = next(panels)
            axes.scatter(*clouds[k].T, s=1)
            reach = 1.1 * np.abs(clouds[k]).max()
            axes.set(aspect='equal', xticks=[], yticks=[],
                     xlim=(-reach, reach), ylim=(-reach, reach))
            axes.set_title(f'{k} {kind if k > 1 else "ring"}', fontsize=10)
    for axes, (kind, clouds, _) in zip(lower.subplots(1, 2), shown):
        for name, values in results[kind].items():
            if name in _SIMILARITIES:
                continue
            axes.plot(range(len(values)), np.divide(values, max(values)),
                      'o-', label=name)
        axes.set_xticks(range(len(clouds)), clouds)
        axes.set(xlabel=f'number of {kind}', ylim=(0, None),
                 ylabel='divergence / its largest')
        axes.grid(alpha=0.3)
    axes.legend(fontsize=9, loc='lower right')
    plots.save(figure, path)


def main():
    """Flags are defined here, for tests import other programs beside."""
    workdir = flags.DEFINE_string('workdir', 'runs/synthetic',
                                  'Folder of the table and the picture.')
    seeds = flags.DEFINE_integer('seeds', 10,
                                 'Seeds besides the published one.')
    console.start(lambda: run(pathlib.Path(workdir.value), seeds.value))


def run(folder, seeds):
    folder.mkdir(parents=True, exist_ok=True)
    results = {'clusters': measure(*clusters(PUBLISHED_SEED)),
               'rings': measure(*rings())}
    taus = {name: [] for name in DIVERGENCES}
    for seed in tqdm(range(seeds), desc='seeds'):
        for name, values in measure(*clusters(seed + 100)).items():
            taus[name].append(tau(name, values))
    print(f'One cloud and the same in k clusters\n\n'
          f'{table(results["clusters"], CLUSTERS, seeds and taus)}\n\n'
          f'Five rings and k rings\n\n{table(results["rings"], RINGS)}')
    (folder / 'synthetic.json').write_text(json.dumps(
        results | {'taus_of_clusters': taus}, indent=1) + '\n')
    plot(folder / 'synthetic.png', results)
    print(f'\nWritten to {folder}/synthetic.json and {folder}/synthetic.png')


if __name__ == '__main__':
    main()
