"""What the scores cost, and what DCI of fewer points differs by.

    python -m experiments.benchmarks.metrics [--dci] [--rounds=3]

On 10 latents that mix dSprites' 5 factors (113 classes) with noise; 10000
points to fit, 5000 to test, representation by looking codes up. Prints the
seconds of each score (least of some rounds). With --dci also those of DCI with
10000 points, alone (minutes), side by side on all cores, and of 2000 points,
with their values.
"""

import os
import time

from absl import app, flags
import numpy as np

from topdis_jax import metrics
from topdis_jax.metrics import samples, table

_DCI = flags.DEFINE_bool('dci', False, 'DCI too, which takes minutes.')
_ROUNDS = flags.DEFINE_integer('rounds', 3, 'Rounds; the least counts.')

SIZES = (3, 6, 40, 32, 32)


def make_codes():
    """Codes [737280, 10] float32 of the whole grid."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.unravel_index(
        np.arange(np.prod(SIZES)), SIZES), axis=1) / np.array(SIZES)
    mixing = rng.normal(size=(5, 10)) * (rng.random((5, 10)) < 0.5)
    codes = 3 * grid @ mixing + 0.2 * rng.normal(size=(len(grid), 10))
    return codes.astype(np.float32)


def main(argv):
    del argv
    codes = make_codes()

    def represent(factors):
        return codes[np.ravel_multi_index(tuple(factors.T), SIZES)]

    sampled = samples.Samples(represent, SIZES, seed=0, progress=False)
    print(f'{os.cpu_count()} cores\n{"score":<18}{"value":>9}{"seconds":>9}')
    total = sum(timed(score, sampled) for score in table.SCORES.values()
                if score.function is not metrics.dci)
    print(f'{"together":<27}{total:>9.2f}')
    if _DCI.value:
        dci_table(sampled.train_and_test)


def timed(score, sampled):
    """Prints a score's value and seconds; returns the latter."""
    seconds = []
    for _ in range(_ROUNDS.value):
        start = time.perf_counter()
        value = score.compute(sampled)[score.main]
        seconds.append(time.perf_counter() - start)
    print(f'{score.name:<18}{value:>9.4f}{min(seconds):>9.2f}', flush=True)
    return min(seconds)


def dci_table(arrays):
    train, labels, *test = arrays
    print(f'\n{"DCI":<26}{"disent.":>9}{"complet.":>9}{"inform.":>9}'
          f'{"seconds":>9}')
    for name, rows, jobs in (('2000 points', 2000, None),
                             ('10000 points', 10000, None),
                             ('10000 points, one process', 10000, 1)):
        start = time.perf_counter()
        score = metrics.dci(train[:rows], labels[:rows], *test, num_jobs=jobs,
                            progress=True)
        print(f'{name:<26}{score.disentanglement:>9.4f}'
              f'{score.completeness:>9.4f}{score.informativeness_test:>9.4f}'
              f'{time.perf_counter() - start:>9.1f}', flush=True)


if __name__ == '__main__':
    app.run(main)
