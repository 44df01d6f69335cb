"""The persistence engine beside general programs, on clouds of many kinds.

    python -m experiments.benchmarks.families --workdir=runs/bench_families

Each row is a shape of the first cloud and how the second one is made of it;
see `experiments.benchmarks.clouds`. Times are of all four barcodes of RTD, in
ms on one thread, the best of --rounds alternating rounds:
  engine: this engine.
  columns: its first way alone, the reduction of columns, as if it had no
    bound; left out with --nocolumns.
  redzed-tda, giotto-ph: general programs on the doubled matrices, if they
    are installed.
A program that takes more than --limit seconds is ended: 'too long'. Prints
each row as it comes and writes all to families.json.
"""

import itertools
import math
import pathlib
import time

from absl import app, flags
import numpy as np
from tqdm import tqdm

from experiments.benchmarks import clouds, timing
from experiments.benchmarks.rtd import ENGINE, programs
from topdis_jax import files
from topdis_jax.topology.engines import host
from topdis_jax.topology.engines.kernels import edges

FLAGS = flags.FLAGS
_COLUMNS = 'columns'


def define_flags():
    """Here, and not at the import, for other benchmarks define some too."""
    flags.DEFINE_multi_integer('points', [64, 256], 'Points of a cloud.')
    flags.DEFINE_bool('columns', True, 'Whether to time columns alone.')
    flags.DEFINE_list('peers', None, 'Programs beside the engine; all that '
                      'are installed if not given.')


def _columns_alone(lower, upper):
    """A call without argument: the barcode by the reduction of columns."""
    pair = [np.asarray(matrix, np.float32) for matrix in (lower, upper)]
    return lambda: host.barcode_entries(
        *pair, None, 1, threads=1, effort=float(edges.NO_KEY >> 40))


def time_round(name, x, y):
    """Seconds of the four barcodes of x and y by one program."""
    make = _columns_alone if name == _COLUMNS else programs()[name]
    calls = [make(*pair) for pair in clouds.forms(x, y).values()]
    start = time.perf_counter()
    for call in calls:
        call()
    return time.perf_counter() - start


def prepare():
    """So that the first time does not count the engine's compilation."""
    host.warm_up()
    time_round(ENGINE, *2 * [np.zeros((2, 2))])


def time_pair(x, y, names, rounds, limit, apart):
    """name -> seconds of the four barcodes of x and y, the best round."""
    best = dict.fromkeys(names, math.inf)
    names = list(names)
    for _ in range(rounds):
        for name in list(names):
            seconds = apart(limit, time_round, name, x, y)
            seconds = math.inf if seconds is None else seconds
            best[name] = min(best[name], seconds)
            if seconds > limit / rounds:  # once is enough
                names.remove(name)
    return best


def cases():
    """(shape, second) of all rows."""
    yield from itertools.product(clouds.SHAPES, clouds.SECOND)
    yield from (('random symmetric', 'independent'),
                ('integer', 'independent'))


def line(row, names):
    cells = ''
    for name in names:
        seconds = row['seconds'].get(name)
        if seconds is None or not np.isfinite(seconds):
            cells += f'{"too long":>22}'
        else:
            ratio = seconds / row['seconds'][ENGINE]
            cells += f'{1e3 * seconds:>14.2f} ({ratio:5.1f})'
    return (f'{row["n"]:>5} {row["shape"]:>16} {row["second"]:>12}'
            + cells)


def main(_):
    host.warm_up()
    peers = [name for name in programs() if name != ENGINE]
    names = [ENGINE, *(peers if FLAGS.peers is None else FLAGS.peers),
             *[_COLUMNS] * FLAGS.columns]
    print('four barcodes, ms on one thread (times the engine\'s)')
    print(f'{"n":>5} {"shape":>16} {"second":>12}'
          + ''.join(f'{name:>22}' for name in names))
    folder = pathlib.Path(FLAGS.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    rows, apart = [], timing.Apart(prepare)
    todo = [(n, *case) for n in FLAGS.points for case in cases()]
    for n, shape, second in tqdm(todo, desc='families'):
        x, y = clouds.family(shape, second, n)
        rows.append(dict(n=n, shape=shape, second=second, seconds=time_pair(
            x, y, names, FLAGS.rounds, FLAGS.limit, apart)))
        tqdm.write(line(rows[-1], names))
        files.write_json(folder / 'families.json', rows)
    summarize(rows, names[1:])
    print(f'Written to {folder}/families.json')


def summarize(rows, names):
    """Prints, for each size, how many times the engine's time others take."""
    for n, name in itertools.product(FLAGS.points, names):
        ratios = [row['seconds'][name] / row['seconds'][ENGINE]
                  for row in rows if row['n'] == n]
        done = [r for r in ratios if np.isfinite(r)]
        mean = f'{timing.geometric_mean(done):.1f}' if done else 'none'
        print(f'n = {n}, {name}: {mean} times the engine\'s time as a '
              f'geometric mean, at least {min(ratios):.2f}; too long in '
              f'{len(ratios) - len(done)} of {len(ratios)}')


if __name__ == '__main__':
    define_flags()
    app.run(main)
