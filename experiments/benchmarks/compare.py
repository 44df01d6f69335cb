"""Whole representations compared: `topology.compare` and a large RTD-Lite.

    python -m experiments.benchmarks.compare [--rows=10000] [--features=512]

Prints seconds and peak memory, each of a process of its own, of:
  compare: RTD of two clouds (the second is the first with noise 1), subsets
    of 500 rows, 10 repeats; compiled before.
  giotto-ph: the same subsets as the RTD package does it: the barcode of the
    doubled matrix, twice, with all cores; left out if it is not installed.
  rtd_lite: of all rows, given their distances; compiled before. Memory is
    the peak of the process, in matrices [rows, rows] float32; two of them are
    the distances.
"""

import multiprocessing
import os
import resource
import time

from absl import app, flags
import numpy as np

from experiments.benchmarks.clouds import doubled

_SUBSET, _REPEATS = 500, 10


def clouds(rows, features):
    """Two clouds in correspondence, [rows, features] float32."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    return x, x + rng.normal(size=x.shape).astype(np.float32)


def by_compare(rows, features):
    """(Values [_REPEATS], seconds) of topology.compare."""
    from topdis_jax import topology
    x, y = clouds(rows, features)
    topology.compare(x, y, subset=_SUBSET, repeats=1)
    start = time.perf_counter()
    found = topology.compare(x, y, subset=_SUBSET, repeats=_REPEATS)
    return found.values, time.perf_counter() - start


def by_giotto_ph(rows, features):
    """The same of the general program; None if it is not installed."""
    try:
        from gph import ripser_parallel
    except ImportError:
        return None
    x, y = clouds(rows, features)
    start = time.perf_counter()
    values = []
    for repeat in range(_REPEATS):
        rng = np.random.default_rng((0, repeat))
        kept = np.sort(rng.choice(rows, _SUBSET, replace=False))
        dist = [_distances(cloud[kept]) for cloud in (x, y)]
        low = np.minimum(*dist)
        bars = [ripser_parallel(doubled(low, upper), maxdim=1,
                                metric='precomputed',
                                n_threads=os.cpu_count())['dgms'][1]
                for upper in dist]
        values.append(sum(np.sum(np.diff(b)) for b in bars) / 2)
    return np.asarray(values), time.perf_counter() - start


def _distances(x):
    """[n, n] float32, divided by the 0.9 quantile. In double precision."""
    from scipy.spatial import distance
    dist = distance.cdist(x, x)
    return (dist / np.quantile(dist, 0.9)).astype(np.float32)


def by_rtd_lite(rows, features):
    """(Value, seconds)."""
    import jax
    from topdis_jax import topology
    dist = [jax.block_until_ready(topology.scale_by_quantile(
        topology.pairwise_distances(x))) for x in clouds(rows, features)]
    run = jax.jit(topology.rtd_lite)
    run = run.lower(*dist).compile()
    start = time.perf_counter()
    value = float(run(*dist))
    return value, time.perf_counter() - start


def with_memory(function, *args):
    """(Result of a function, peak bytes of its process)."""
    result = function(*args)
    return result, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def apart(function, *args):
    """with_memory in a fresh process."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(with_memory, (function, *args))


def main(_):
    shape = flags.FLAGS.rows, flags.FLAGS.features
    print(f'two clouds of {shape[0]} rows and {shape[1]} features, '
          f'{os.cpu_count()} cores', flush=True)
    inputs = apart(clouds, *shape)[1]
    for name, function in (('compare', by_compare),
                           ('giotto-ph', by_giotto_ph)):
        result, peak = apart(function, *shape)
        if result is None:
            print(f'{name}: not installed, left out')
            continue
        values, seconds = result
        print(f'{name}: RTD {np.mean(values):.4f} (standard deviation '
              f'{np.std(values, ddof=1):.4f}), {seconds:.2f} s, '
              f'{(peak - inputs) / 2**20:.0f} MiB above the inputs',
              flush=True)
    (value, seconds), peak = apart(by_rtd_lite, *shape)
    print(f'rtd_lite: {value:.4f}, {seconds:.2f} s, peak of the process '
          f'{peak / (4 * shape[0] ** 2):.1f} matrices [n, n]')


if __name__ == '__main__':
    flags.DEFINE_integer('rows', 10_000, 'Points of each cloud.')
    flags.DEFINE_integer('features', 512, 'Their dimension.')
    app.run(main)
