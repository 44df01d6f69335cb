"""Vietoris-Rips persistence of one cloud, beside general programs.

    python -m experiments.benchmarks.rips --workdir=runs/bench_rips

Degrees 0 and 1 of clouds of four families and three dimensions; see
`clouds.FAMILIES`. Distances are computed before. Programs, each on one thread
and with the input it is quickest with:
  topdis_jax: `topology.rips_barcode` with engine 'host' under jit, compiled
    before for as many bars as there are.
  without jit: the same function called as it is, which checks the distances.
  engine: the call of the engine that it makes, from NumPy: degree 1 alone,
    given the spanning tree.
  ripser.py: the full matrix, its only dense input.
  giotto-ph: the full matrix, edges not collapsed (collapsing takes longer).
  gudhi: `RipsPersistence` of the full matrix, edges not collapsed; its
    simplex tree takes longer.
  redzed-tda: the condensed matrix, in float64.
Those that are not installed are named and left out. All must give the same
bars, bit for bit, before their times count. Times are in ms, the median of
--rounds alternating rounds. A call of more than --limit seconds is ended, and
so is one that needs more than --memory; larger clouds of that kind are not
tried then. Prints a row for each cloud and a Markdown table of all sizes, and
writes rips.json and rips.png.
"""

import collections
import functools
import importlib.util
import itertools
import os
import pathlib
import resource

from absl import app, flags
import numpy as np
from tqdm import tqdm

from experiments.benchmarks import clouds, timing
from topdis_jax import files

FLAGS = flags.FLAGS
OURS, PLAIN, ENGINE = 'topdis_jax', 'without jit', 'engine'
_MODULES = {'ripser.py': 'ripser', 'giotto-ph': 'gph', 'gudhi': 'gudhi',
            'redzed-tda': 'redzed_tda'}
_AT_LEAST = 0.02  # seconds of a round


def define_flags():
    """Here, and not at the import, as in the other benchmarks."""
    flags.DEFINE_string('workdir', None, 'Where the results go.',
                        required=True)
    flags.DEFINE_multi_integer('points', [64, 128, 256, 512, 1024, 2048],
                               'Points of a cloud; 4096 works too.')
    flags.DEFINE_multi_integer('dimensions', [3, 50, 1000],
                               'Dimensions of the clouds.')
    flags.DEFINE_multi_enum('families', list(clouds.FAMILIES),
                            list(clouds.FAMILIES), 'Families of clouds.')
    flags.DEFINE_integer('rounds', 5, 'Rounds; the median counts.')
    flags.DEFINE_float('limit', 60.0, 'Seconds that one call may take.')
    flags.DEFINE_float('memory', 8.0, 'GiB that a program may have.')


def prepare(memory):
    """A process of one thread, with the engine compiled.

    Args:
      memory: GiB that it may have.
    """
    if hasattr(os, 'sched_setaffinity'):  # Linux
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from topdis_jax.topology.engines import host, native
    host.warm_up()
    native.warm_up()
    resource.setrlimit(resource.RLIMIT_AS, 2 * (int(memory * 2**30),))


def call_of(name, dist):
    """A call without argument: a program's bars of distances [n, n].

    What it returns, `bars_of` reads.
    """
    if name in (OURS, PLAIN):
        return _call_of_ours(dist, compiled=name == OURS)
    if name == ENGINE:
        return _call_of_engine(dist)
    if name == 'ripser.py':
        import ripser
        return lambda: ripser.ripser(dist, maxdim=1,
                                     distance_matrix=True)['dgms']
    if name == 'giotto-ph':
        import gph
        return lambda: gph.ripser_parallel(
            dist, maxdim=1, metric='precomputed', n_threads=1)['dgms']
    if name == 'gudhi':
        from gudhi.sklearn import RipsPersistence
        program = RipsPersistence(
            homology_dimensions=[0, 1], input_type='full distance matrix',
            num_collapses=0, homology_coeff_field=2, n_jobs=1)
        return lambda: program.fit_transform([dist])[0]
    import redzed_tda
    condensed = dist[np.triu_indices(len(dist), 1)].astype(np.float64)
    return lambda: redzed_tda.rips(condensed)


def _call_of_ours(dist, compiled):
    import jax
    from topdis_jax import topology
    on_device = jax.device_put(dist)
    function = functools.partial(topology.rips_barcode, engine='host')
    if compiled:
        # Under jit there must be places for all bars.
        bars = max(int(degree.count) for degree in function(on_device))
        function = jax.jit(functools.partial(function, num_bars=bars))
    return lambda: jax.block_until_ready(function(on_device))


def _call_of_engine(dist):
    from topdis_jax import topology
    tree = np.asarray(topology.spanning_tree(dist))
    upper = np.full_like(dist, 2 * dist.max() + 1)
    for i, j in (tree.T, tree.T[::-1]):
        upper[i, j] = dist[i, j]
    np.fill_diagonal(upper, 0)
    return lambda: topology.persistence.relative_h1(dist, upper)


def bars_of(result):
    """The finite bars of positive length of each degree, in one order.

    Args:
      result: what a call of `call_of` returned.

    Returns:
      A list of [k, 2] float32, of the degrees that the program has.
    """
    if hasattr(result, 'births'):  # of the engine, degree 1
        result = [result]
    degrees = [np.stack([d.births, d.deaths], 1) if hasattr(d, 'births')
               else np.reshape(d, (-1, 2)) for d in result]
    degrees = [np.asarray(bars, np.float32) for bars in degrees]
    degrees = [bars[np.isfinite(bars[:, 1]) & (bars[:, 1] > bars[:, 0])]
               for bars in degrees]
    return [bars[np.lexsort(bars.T)] for bars in degrees]


def time_once(name, dist):
    """(Seconds of a program's call, its bars by `bars_of`).

    None if there is too little memory.
    """
    try:
        call = call_of(name, dist)
        result = call()  # and compiles, where something has to be
        seconds = timing.timed(call)
        if seconds < _AT_LEAST:
            seconds = timing.timed(call, 1 + int(_AT_LEAST / seconds))
    except MemoryError:
        return None
    return seconds, bars_of(result)


def time_cloud(dist, names, rounds, limit, apart):
    """name -> median seconds of a cloud with distances [n, n], or None.

    Raises:
      ValueError: programs do not agree.
    """
    times = {name: [] for name in names}
    expected = None
    for _ in range(rounds):
        for name in names:
            if None in times[name] or sum(times[name]) > limit / 2:
                continue  # once is enough
            found = apart(2 * limit, time_once, name, dist)
            times[name].append(found and found[0])
            if found:
                expected = expected or found[1]
                check(name, found[1], expected)
    return {name: None if None in some else float(np.median(some))
            for name, some in times.items()}


def check(name, bars, expected):
    """Raises a ValueError if the bars are not those expected."""
    expected = expected[-len(bars):]  # one degree of two
    for one, other in zip(bars, expected, strict=True):
        if not np.array_equal(one, other):
            raise ValueError(f'{name} gives {len(one)} bars that differ from '
                             f'the {len(other)} of {OURS}')


def installed():
    """Names of the programs that can be called; names those that cannot."""
    names = [OURS, PLAIN, ENGINE]
    for name, module in _MODULES.items():
        if importlib.util.find_spec(module):
            names.append(name)
        else:
            print(f'{name} is not installed and is left out')
    return names


def line(row, names):
    """A row of the first table."""
    cells = [f'{row["n"]:>5}', f'{row["family"]:>9}', f'{row["dimension"]:>5}',
             *(f'{_milliseconds(row["seconds"][name]):>12}' for name in names)]
    return ' '.join(cells)


def _milliseconds(seconds):
    return 'too long' if seconds is None else f'{1e3 * seconds:.2f}'


def table(rows, names):
    """Markdown: for each size the range of our times, and the geometric mean
    and the least of how many times as long others take."""
    lines = [f'| n | {OURS}, ms | ' + ' | '.join(names[1:]) + ' |',
             '|---' * (len(names) + 1) + '|']
    for n in sorted({row['n'] for row in rows}):
        some = [row['seconds'] for row in rows if row['n'] == n]
        own = [seconds[OURS] for seconds in some]
        if None in own:
            lines.append(f'| {n} |' + ' too long |' * len(names))
            continue
        cells = [_range(own)] + [
            _ratio([s[name] and s[name] / s[OURS] for s in some])
            for name in names[1:]]
        lines.append(f'| {n} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _range(seconds):
    return f'{1e3 * min(seconds):.3g} to {1e3 * max(seconds):.3g}'


def _ratio(ratios):
    """Mean and least of those that are known."""
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        return 'too long'
    missing = len(ratios) - len(known)
    return (f'{timing.geometric_mean(known):.2g} ({min(known):.2g})'
            + (f', {missing} too long' if missing else ''))


def main(_):
    names = installed()
    folder = pathlib.Path(FLAGS.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    print('degrees 0 and 1 of one cloud, ms on one thread')
    print(f'{"n":>5} {"family":>9} {"dim":>5} '
          + ' '.join(f'{name:>12}' for name in names))
    rows = []
    apart = timing.Apart(functools.partial(prepare, FLAGS.memory))
    todo = list(itertools.product(sorted(FLAGS.points), FLAGS.families,
                                  FLAGS.dimensions))
    too_long = collections.defaultdict(set)  # by cloud, at a smaller size
    for n, family, dimension in tqdm(todo, desc='rips'):
        slow = too_long[family, dimension]
        dist = clouds.single(family, n, dimension)
        seconds = dict.fromkeys(slow) | time_cloud(
            dist, [name for name in names if name not in slow], FLAGS.rounds,
            FLAGS.limit, apart)
        slow.update(name for name in names if seconds[name] is None)
        rows.append(dict(n=n, family=family, dimension=dimension,
                         seconds={name: seconds[name] for name in names}))
        tqdm.write(line(rows[-1], names))
        files.write_json(folder / 'rips.json', rows)
    apart.end()
    print('\nTimes, and how many times as long others take: mean (least)\n')
    print(table(rows, names))
    timing.plot_times(rows, folder / 'rips.png',
                      ylabel='ms, one thread', title='Degrees 0 and 1 of a '
                      'cloud: mean and range of the clouds')
    print(f'\nWritten to {folder}/rips.json and {folder}/rips.png')


if __name__ == '__main__':
    define_flags()
    app.run(main)
