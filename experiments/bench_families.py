"""The persistence engine beside general programs, on clouds of many kinds.

    python -m experiments.bench_families --workdir=runs/bench_families

Each row is a shape of the first cloud and how the second one is made of it;
see `experiments.clouds`. Times are of all four barcodes of RTD, in ms on one
thread, the best of --rounds alternating rounds:
  engine: this engine.
  columns: its first way alone, the reduction of columns, as if it had no
    bound; left out with --nocolumns, ended after --limit seconds.
  redzed-tda, giotto-ph: general programs on the doubled matrices, if they
    are installed.
Prints the table and writes it to families.json.
"""

import itertools
import json
import pathlib
import threading
import time

from absl import app, flags
import numpy as np
from tqdm import tqdm

from experiments import clouds
from experiments.bench_rtd import ENGINE, programs
from topdis_jax.topology import kernels, persistence

FLAGS = flags.FLAGS
_COLUMNS = 'columns'


def define_flags():
    """Here, and not at the import, for other benchmarks define some too."""
    flags.DEFINE_multi_integer('points', [64, 256], 'Points of a cloud.')
    flags.DEFINE_bool('columns', True, 'Whether to time columns alone.')


def columns_alone(lower, upper, limit):
    """Seconds of the reduction of columns, infinity if it takes too long."""
    args = [*map(persistence._one_item, (lower, upper)),
            persistence._all_points(len(lower))]
    entries = [np.zeros((1, 1, 2), np.int32), np.zeros((1, 1, 2), np.int32),
               np.zeros((1, 1), bool), np.zeros((1, 0, 2), np.float32),
               np.zeros(1, np.int32)]
    stop, engine = np.zeros(1, np.int32), persistence.warm_up()
    timer = threading.Timer(limit, lambda: stop.fill(1))
    timer.start()
    start = time.perf_counter()
    engine(*args, 0, 1, float(kernels.NO_KEY >> 40), stop, *entries)
    timer.cancel()
    return np.inf if stop[0] else time.perf_counter() - start


def time_pair(x, y, rounds, limit, columns):
    """name -> seconds of the four barcodes of x and y."""
    makers, times = programs(), {}
    for _ in range(rounds):
        for name, make in makers.items():
            calls = [make(*pair) for pair in clouds.forms(x, y).values()]
            start = time.perf_counter()
            for call in calls:
                call()
            times.setdefault(name, []).append(time.perf_counter() - start)
        if columns and min(times.get(_COLUMNS, [0])) < np.inf:
            times.setdefault(_COLUMNS, []).append(sum(
                columns_alone(*pair, limit / 4)
                for pair in clouds.forms(x, y).values()))
    return {name: min(seconds) for name, seconds in times.items()}


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
    persistence.warm_up()
    sizes, rows = FLAGS.points, []
    todo = [(n, *case) for n in sizes for case in cases()]
    for n, shape, second in tqdm(todo, desc='families'):
        x, y = clouds.family(shape, second, n)
        rows.append(dict(n=n, shape=shape, second=second, seconds=time_pair(
            x, y, FLAGS.rounds, FLAGS.limit, FLAGS.columns)))
    names = list(dict.fromkeys(k for row in rows for k in row['seconds']))
    print('four barcodes, ms on one thread (times the engine\'s)')
    print(f'{"n":>5} {"shape":>16} {"second":>12}'
          + ''.join(f'{name:>22}' for name in names))
    for row in rows:
        print(line(row, names))
    for name in names[1:]:
        ratios = [row['seconds'][name] / row['seconds'][ENGINE]
                  for row in rows if np.isfinite(row['seconds'][name])]
        print(f'{name}: geometric mean {np.exp(np.mean(np.log(ratios))):.1f},'
              f' least {min(ratios):.2f} times the engine\'s time')
    folder = pathlib.Path(FLAGS.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'families.json').write_text(json.dumps(rows, indent=1))
    print(f'Written to {folder}/families.json')


if __name__ == '__main__':
    define_flags()
    app.run(main)
