r"""What data cost: conversion, batches, waiting for them, rendering.

    python -m experiments.benchmarks.data [--gigabytes=0.5] [--seconds=5] \
        [--rendered=sprites_small,scenes_small] [--folder=DIR]

Prints:
  conversion: of a file as MPI3D is published, [n, 64, 64, 3] in an .npz of
    random numbers; images a second, and the peak memory of the process.
  batches: of 64 images from what was converted, in memory as far as the
    system has kept it there; images a second, the best of some rounds, and a
    second of the processor's time, which other programs take nothing of.
  waiting: the part of its time that a loop of 100 steps a second waits for
    such batches on its devices, got ahead as in training.
  rendering: images a second into the cache, of the named sets.

Its files are made in a temporary folder (beneath --folder) and removed.
"""

import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import zipfile

from absl import app, flags
import numpy as np
import tqdm

from topdis_jax.data import pipeline, rendered, sources

_GIGABYTES = flags.DEFINE_float('gigabytes', 0.5, 'Size of the .npz.',
                                lower_bound=0.1)
_SECONDS = flags.DEFINE_float('seconds', 5.0, 'For batches, and for waiting.',
                              lower_bound=0.1)
_RENDERED = flags.DEFINE_list('rendered', ['sprites_small', 'scenes_small'],
                              'Data sets to render.')
_FOLDER = flags.DEFINE_string('folder', None, 'For the temporary folder.')

SHAPE = (64, 64, 3)
BATCH = 64
STEPS_PER_SECOND = 100
_ROUNDS = 10
_PLACES = 40 * 40  # the last two factors of MPI3D
GRIDS = rendered.GRIDS


def write_npz(path, others):
    """An .npz like MPI3D's: not compressed, [others * 1600, 64, 64, 3]."""
    rng = np.random.default_rng(0)
    shape = (others * _PLACES, *SHAPE)
    sizes = np.array([others, 40, 40])
    with zipfile.ZipFile(path, 'w') as archive:
        with archive.open('images.npy', 'w', force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, {
                'descr': '|u1', 'fortran_order': False, 'shape': shape})
            for _ in tqdm.trange(others, desc='Writing the .npz',
                                 dynamic_ncols=True):
                file.write(rng.bytes(_PLACES * int(np.prod(SHAPE))))
        with archive.open('factor_sizes.npy', 'w') as file:
            np.save(file, sizes)


def convert(path):
    """(images, seconds, bytes at the peak); in a process of its own."""
    start = time.perf_counter()
    data = sources.load('own', root=path)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The unit is the system's.
    return len(data), seconds, peak * (1 if sys.platform == 'darwin' else 1024)


def batch_rates(data, seconds):
    """Images a second, and a second of CPU time: the best of the rounds."""
    def clocks():
        return np.array([time.perf_counter(), time.thread_time()])

    rates, step = [], 0
    for _ in range(_ROUNDS):
        start, first = clocks(), step
        while (clocks() - start)[0] < seconds / _ROUNDS:
            pipeline.batch(data, 0, step, BATCH)
            step += 1
        rates.append((step - first) * BATCH / (clocks() - start))
    return np.max(rates, axis=0)


def waiting(data, seconds):
    """(part of the time, steps a second) of a loop that does nothing else."""
    import jax
    from topdis_jax.training import parallel

    devices = jax.local_device_count()

    def get(step):
        images = pipeline.batch(data, 0, step, BATCH * devices)
        return parallel.shared(images)

    steps = max(int(seconds * STEPS_PER_SECOND), 1)
    get(0)  # the devices start up
    batches = pipeline.Prefetch(get, 0, steps)
    start = time.perf_counter()
    for step, _ in enumerate(batches, 1):
        time.sleep(max(0, start + step / STEPS_PER_SECOND
                       - time.perf_counter()))
    return batches.share(), steps / (time.perf_counter() - start)


def check_space(folder, npz):
    """Ends the program if the files have no room."""
    needed = 2 * npz + sum(int(np.prod(GRIDS[name].shape))
                           for name in _RENDERED.value)
    free = shutil.disk_usage(folder).free
    if free < 1.05 * needed:
        sys.exit(f'Error: {folder} has {free / 2 ** 30:.1f} GiB free, of which '
                 f'{1.05 * needed / 2 ** 30:.1f} are needed; name another '
                 'with --folder')


def run(folder, others):
    """All measurements; the files go into a folder."""
    path = os.path.join(folder, 'images.npz')
    os.environ['XDG_CACHE_HOME'] = folder
    write_npz(path, others)
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        count, seconds, peak = pool.apply(convert, (path,))
    print(f'conversion: {count} images of '
          f'{os.path.getsize(path) / 1e9:.2f} GB, {count / seconds:.0f} '
          f'images/s, peak memory {peak / 1e6:.0f} MB', flush=True)
    data = sources.load('own', root=path)
    rate, of_cpu = batch_rates(data, _SECONDS.value)
    print(f'batches:    {rate:.0f} images/s, {of_cpu:.0f} a second of CPU time',
          flush=True)
    share, rate = waiting(data, _SECONDS.value)
    print(f'waiting:    {share:.2%} of the time at {rate:.0f} steps/s',
          flush=True)
    for name in _RENDERED.value:
        start = time.perf_counter()
        count = len(sources.load(name))
        print(f'rendering:  {name}, '
              f'{count / (time.perf_counter() - start):.0f} images/s',
              flush=True)


def main(argv):
    del argv
    for name in _RENDERED.value:
        if name not in GRIDS:
            raise app.UsageError(f'--rendered: {name!r} is none of '
                                 f'{list(GRIDS)}')
    size = _PLACES * int(np.prod(SHAPE))
    others = max(round(_GIGABYTES.value * 1e9 / size), 1)
    print(f'{os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}')
    with tempfile.TemporaryDirectory(dir=_FOLDER.value) as folder:
        check_space(folder, others * size)
        run(folder, others)


if __name__ == '__main__':
    app.run(main)
