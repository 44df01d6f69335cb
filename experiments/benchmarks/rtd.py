"""The persistence engine beside general programs, and `rtd` under jit.

    python -m experiments.benchmarks.rtd --workdir=runs/bench_rtd

Prints three tables, and writes them to results.json, row by row, and the first
of them as a log-log plot to times.png:
  barcodes: milliseconds of one barcode (lower = min(x, y), upper = x) on one
    thread: this engine, redzed-tda and giotto-ph (the last two on the doubled
    matrix, if they are installed), medians of alternating rounds, with the
    ratios to the engine's. y is x with noise; the distances of both are scaled
    by their 0.9 quantile. A program is left out from the size on at which it
    would take longer than --limit.
  memory: what the engine needs beyond its inputs, in a process of its own.
  jitted: rtd, all four barcodes: forward, with gradient; the engine called
    from Python, with all threads; and both again with engine 'xla', on the
    default device.

Timings of machines that do other work as well are worth little; on Linux,
`taskset -c 0` keeps the first table to one core.
"""

import functools
import importlib.util
import multiprocessing
import pathlib
import resource

from absl import app, flags
import numpy as np
from tqdm import tqdm

from experiments.benchmarks.clouds import doubled, make_pair
from experiments.benchmarks.timing import geometric_mean, medians
from experiments.benchmarks.timing import plot_times, timed
from topdis_jax import files
from topdis_jax.topology.engines import host

_WORKDIR = flags.DEFINE_string('workdir', None, 'Where the results go.',
                               required=True)
_SIZES = flags.DEFINE_multi_integer(
    'sizes', [32, 64, 128, 256, 512, 1024, 2048], 'Points of a cloud.')
_DIMENSIONS = flags.DEFINE_multi_integer('dimensions', [3, 10, 1000],
                                         'Dimensions of the clouds.')
_NOISES = flags.DEFINE_multi_float('noises', [0.2, 0.5, 1.0],
                                   'Standard deviations of y - x.')
_MEMORY_SIZES = flags.DEFINE_multi_integer(
    'memory_sizes', [2048, 4096], 'Points of the clouds of the memory table.')
_JIT_SIZES = flags.DEFINE_multi_integer(
    'jit_sizes', [32, 64, 128, 256], 'Points of the clouds given to rtd.')
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Rounds; the median counts.')
_LIMIT = flags.DEFINE_float('limit', 20.0, 'Seconds that one barcode may take.')

ENGINE = 'topdis_jax'
SUMMARY_SIZES = (32, 64, 128, 256, 512)


def programs():
    """name -> function of (lower, upper) that gives a call without argument."""
    found = {ENGINE: lambda lower, upper: functools.partial(
        host.relative_h1, lower, upper)}
    if importlib.util.find_spec('redzed_tda'):
        import redzed_tda
        found['redzed-tda'] = lambda lower, upper: functools.partial(
            redzed_tda.rips, doubled(lower, upper).astype(np.float64))
    if importlib.util.find_spec('gph'):
        import gph
        found['giotto-ph'] = lambda lower, upper: functools.partial(
            gph.ripser_parallel, doubled(lower, upper), maxdim=1,
            metric='precomputed', n_threads=1)
    return found


def time_barcodes():
    """Yields the rows of the first table."""
    host.warm_up()
    makers = programs()
    clouds = [(dim, noise) for dim in _DIMENSIONS.value
              for noise in _NOISES.value]
    progress = tqdm(total=len(_SIZES.value) * len(clouds), desc='barcodes')
    for n in sorted(_SIZES.value):
        seconds_at_n = []
        for dim, noise in clouds:
            x, y = make_pair(n, dim, noise)
            calls = {name: make(np.minimum(x, y), x)
                     for name, make in makers.items()}
            seconds = medians(calls, _ROUNDS.value)
            bars = len(calls[ENGINE]().births)
            yield dict(n=n, dimension=dim, noise=noise, bars=bars,
                       seconds=seconds)
            seconds_at_n.append(seconds)
            progress.update()
        # Twice as many points: up to eight times as long.
        makers = {name: make for name, make in makers.items()
                  if name == ENGINE or 8 * max(
                      s[name] for s in seconds_at_n) < _LIMIT.value}
    progress.close()


def summarize(rows):
    """Geometric mean and worst ratio to each other program, by size."""
    summary = {}
    for name in {name for row in rows for name in row['seconds']} - {ENGINE}:
        ratios = [(row['n'], row['seconds'][name] / row['seconds'][ENGINE])
                  for row in rows if name in row['seconds']]
        groups = {str(n): [r for m, r in ratios if m == n]
                  for n in sorted({m for m, _ in ratios})}
        groups['32 to 512'] = [r for m, r in ratios if m in SUMMARY_SIZES]
        summary[name] = {
            label: dict(mean=geometric_mean(group),
                        least=float(min(group)))
            for label, group in groups.items() if group}
    return summary


def resident():
    """Bytes that this process holds now. Linux alone."""
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize()


def memory_of(n):
    """Row of the memory table. The peak may be one before the call: at most.

    In a fresh process, where little else has been held.
    """
    x, y = make_pair(n, 10, 0.5)
    lower = np.minimum(x, y)
    host.warm_up()
    before = resident()
    seconds = timed(lambda: host.relative_h1(lower, x))
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return dict(n=n, seconds=seconds, inputs=lower.nbytes + x.nbytes,
                peak_above_inputs=peak - before)


def measure_memory():
    """Yields the rows of the second table; none where it cannot be told."""
    if not pathlib.Path('/proc/self/statm').exists():
        return
    context = multiprocessing.get_context('spawn')
    for n in tqdm(_MEMORY_SIZES.value, desc='memory'):
        with context.Pool(1) as pool:
            yield pool.apply(memory_of, (n,))


def time_jitted():
    """Yields the rows of the third table."""
    import jax
    from topdis_jax import topology

    functions = {}
    for engine, label in (('host', ''), ('xla', ', xla')):
        loss = functools.partial(topology.rtd, engine=engine)
        functions['forward' + label] = jax.jit(loss)
        functions['with gradient' + label] = jax.jit(
            jax.value_and_grad(loss, argnums=(0, 1)))
    for n in tqdm(_JIT_SIZES.value, desc='jitted'):
        x, y = make_pair(n, 10, 0.5)
        low, high = np.minimum(x, y), np.maximum(x, y)
        lower, upper = np.stack([low, low, y, x]), np.stack([x, y, high, high])
        on_device = jax.device_put((x, y))
        calls = {
            name: lambda f=function: jax.block_until_ready(f(*on_device))
            for name, function in functions.items()}
        calls['engine'] = lambda: host.barcode_entries(lower, upper, None, 50)
        yield dict(n=n, seconds=medians(calls, 4 * _ROUNDS.value))


def print_barcodes(rows):
    names = list(dict.fromkeys(n for row in rows for n in row['seconds']))
    print('\nbarcodes, ms on one thread (times the engine\'s)')
    print(f'{"n":>5} {"dim":>5} {"noise":>5} {"bars":>5}'
          + ''.join(f'{name:>20}' for name in names))
    for row in rows:
        cells = ''
        for name in names:
            seconds = row['seconds'].get(name)
            if seconds is None:
                cells += f'{f"over {_LIMIT.value:g} s":>20}'
            else:
                ratio = seconds / row['seconds'][ENGINE]
                cells += f'{1e3 * seconds:>12.3f} ({ratio:5.1f})'
        print(f'{row["n"]:>5} {row["dimension"]:>5} {row["noise"]:>5} '
              f'{row["bars"]:>5}{cells}')


def print_all(results):
    print_barcodes(results['barcodes'])
    print('\ntimes faster, geometric mean (least)')
    for name, groups in results['summary'].items():
        print(f'{name}: ' + ', '.join(
            f'n = {label}: {g["mean"]:.1f} ({g["least"]:.1f})'
            for label, g in groups.items()))
    print('\nmemory')
    for row in results['memory']:
        print(f'n = {row["n"]}: {row["seconds"]:.3f} s, at most '
              f'{row["peak_above_inputs"] / 2**20:.0f} MiB beyond the '
              f'{row["inputs"] / 2**20:.0f} MiB of the inputs')
    print('\njitted rtd, four barcodes, ms')
    for row in results['jitted']:
        print(f'n = {row["n"]}: ' + ', '.join(
            f'{name} {1e3 * s:.3f}' for name, s in row['seconds'].items()))


def main(_):
    workdir = pathlib.Path(_WORKDIR.value)
    workdir.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, rows in (('barcodes', time_barcodes()),
                       ('memory', measure_memory()),
                       ('jitted', time_jitted())):
        results[name] = []
        for row in rows:
            results[name].append(row)
            results['summary'] = summarize(results['barcodes'])
            files.write_json(workdir / 'results.json', results)
    plot_times(results['barcodes'], workdir / 'times.png',
               ylabel='ms per barcode, one thread',
               title='One barcode of RTD: mean and range over the clouds')
    print_all(results)
    print(f'\nWritten to {workdir}/results.json and {workdir}/times.png')


if __name__ == '__main__':
    app.run(main)
