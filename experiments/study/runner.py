"""Runs the cells of a study, several at a time."""

from collections.abc import Callable
import concurrent.futures
import contextlib
import os
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from experiments.study import grid
from topdis_jax import progress
from topdis_jax.data import sources
from topdis_jax.metrics import evaluate
from topdis_jax.training import config as configs
from topdis_jax.training import interrupts, lock, page

# Runs inherit it: where a study was killed and its runs were not, the next one
# must not write into the same folders.
LOCK = 'study.lock'
_THREAD_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS',
                     'MKL_NUM_THREADS', 'NUMBA_NUM_THREADS')


class Stage(NamedTuple):
    """A process that each cell needs, as its training.

    Attributes:
      module: the Python module that is run.
      arguments: function of the study's configuration and a cell -> its
        arguments, a list, without the work folder.
      is_finished: function of the study's configuration, a cell and the
        study's folder -> bool.
      log: file name, in the cell's folder, for what the process prints.
    """
    module: str
    arguments: Callable
    is_finished: Callable
    log: str


TRAINING = Stage('experiments.run', grid.arguments, grid.is_finished,
                 'output.log')


def run(config, workdir, jobs=None, stages=(TRAINING,)):
    """Runs what is not finished; returns [(cell, message)] of failures.

    Args:
      config: ml_collections.ConfigDict, see experiments/configs/study.py.
      workdir: folder of the study.
      jobs: cells at a time; None: one for each core.
      stages: Stages of each cell, in their order.

    Raises:
      KeyboardInterrupt: after the runs under way have saved their states.
    """
    evaluate.check_names(config.run.eval.scores, 'config.run.eval.scores')
    grid.check(config)
    for name in config.data:
        _check_data(config, name)
    cells = grid.cells(config)
    with lock.locked(workdir, LOCK) as held:
        grid.prepare(config, workdir)
        left = [cell for cell in cells
                if not all(stage.is_finished(config, cell, workdir)
                           for stage in stages)]
        runner = Runner(config, workdir, shares(jobs or len(_cores())), held,
                        stages)
        write_page(workdir)
        with progress.Bar(total=len(cells), initial=len(cells) - len(left),
                          desc='Study', unit='cell') as bar:
            return _run_all(runner, left, bar)


def failures(failed):
    """A message that names the cells that failed; see `run`."""
    lines = '\n'.join(f'  {cell}: {message}' for cell, message in failed)
    return (f'Failed cells: {len(failed)}; the same command tries them '
            f'again:\n{lines}')


def _check_data(config, name):
    """Renders or converts a data set once, before all cells; checks these."""
    dataset = sources.of_config(config.run.data, name)
    for variant in config.variants:
        configs.check_dataset(grid.run_config(
            config, grid.Cell(name, variant, 'on', 0)), dataset)


def _run_all(runner, cells, bar):
    failed = []
    pool = concurrent.futures.ThreadPoolExecutor(len(runner.free))
    with pool, interrupts.Interrupts().installed():
        try:
            futures = {pool.submit(runner.run, cell): cell for cell in cells}
            for future in concurrent.futures.as_completed(futures):
                message = future.result()
                if message is not None:
                    failed.append((futures[future], message))
                    bar.show({'failed': len(failed)})
                bar.update()
                write_page(runner.workdir)
        except BaseException:
            bar.write('Stopping: the runs under way save their states; the '
                      'same command goes on from there.', file=sys.stderr)
            runner.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(failed)


def write_page(workdir):
    """The study's page, with a link to that of each run."""
    page.write_study(workdir, [page.Run(str(cell), cell.folder(workdir))
                               for cell in grid.asked_cells(workdir)])


class Runner:
    """Runs cells, each on a share of the cores.

    Attributes:
      free: the shares that no cell has, lists of cores.
      workdir: folder of the study.
    """

    def __init__(self, config, workdir, free, held, stages):
        """`held` is a file that every run keeps open."""
        self.free = free
        self._config = config
        self.workdir = workdir
        self._held = held
        self._stages = stages
        self._running = set()
        self._stopped = False
        self._guard = threading.Lock()

    def run(self, cell):
        """Runs the stages of a cell; returns what went wrong, or None."""
        os.makedirs(cell.folder(self.workdir), exist_ok=True)
        with self._guard:
            cores = self.free.pop()
        try:
            for stage in self._stages:
                if not self._is_finished(stage, cell):
                    message = self._run(stage, cell, cores)
                    if message is not None:
                        return message
            return None
        finally:
            self.free.append(cores)

    def _is_finished(self, stage, cell):
        return stage.is_finished(self._config, cell, self.workdir)

    def _run(self, stage, cell, cores):
        """Runs a stage and notes how it ended; returns the same as `run`."""
        folder = cell.folder(self.workdir)
        log = os.path.join(folder, stage.log)
        start = time.monotonic()
        code, message = self._call(stage, cell, log, cores)
        # A cell's time is that of its training.
        seconds = time.monotonic() - start if stage is TRAINING else 0.0
        if code == 0 and self._is_finished(stage, cell):
            state, message = 'finished', None
        else:
            state = 'interrupted' if self._stopped else 'failed'
            message = _explanation(stage, code, message, log)
        grid.write_state(folder, state, seconds, message or '')
        return message

    def _call(self, stage, cell, log, cores):
        """Exit status of a stage's process and what it said last."""
        command = [sys.executable, '-m', stage.module,
                   *stage.arguments(self._config, cell),
                   f'--workdir={cell.folder(self.workdir)}']
        with open(log, 'wb') as file, _pinned(cores):
            with self._guard:
                if self._stopped:
                    return None, 'stopped before it started'
                # A session of its own: Ctrl-C comes to it through stop alone.
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=file,
                    stderr=file, env=environment(len(cores), self.workdir),
                    start_new_session=True,
                    pass_fds=[self._held.fileno()])
                self._running.add(process)
            code = process.wait()
        with self._guard:
            self._running.remove(process)
        return code, last_words(log)

    def stop(self):
        """Ends what runs; each run saves its state first."""
        with self._guard:
            self._stopped = True
            for process in self._running:
                process.terminate()


def _explanation(stage, code, words, log):
    """What to say of a process that failed, in one line."""
    if code == 0 and stage is TRAINING:
        return 'ended well, but not with the scores of its final step'
    if code == 0:
        return f'{stage.module} ended well, but without its result'
    if code is not None and code < 0:  # it had no time to say so itself
        return f'killed by signal {-code}; its last line: {words}'
    return words or f'ended with status {code} and no message; see {log}'


def shares(jobs):
    """Splits the cores: a list for each job, one core in several if few."""
    cores = _cores()
    return [cores[job::jobs] or [cores[job % len(cores)]]
            for job in range(jobs)]


def environment(threads, workdir):
    """The environment of a process that has `threads` cores to itself."""
    # Cells that differ in their seed compile the same programs.
    compiled = os.path.join(os.path.abspath(workdir), 'compiled')
    return {'JAX_COMPILATION_CACHE_DIR': compiled,
            # Several processes may share one accelerator.
            'XLA_PYTHON_CLIENT_PREALLOCATE': 'false', **os.environ,
            **dict.fromkeys(_THREAD_VARIABLES, str(threads))}


def last_words(path):
    """A log's last error message, of several lines perhaps, or its last line.

    A progress bar's states count as lines.
    """
    with open(path, errors='replace') as file:
        lines = [line.strip() for line in file.read().splitlines()]
    lines = [line for line in lines if line]
    errors = [i for i, line in enumerate(lines) if line.startswith('Error: ')]
    return ' '.join(lines[errors[-1] if errors else -1:])


def _cores():
    if hasattr(os, 'sched_getaffinity'):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def _pinned(cores):
    """Keeps this thread, and processes that it starts, to some cores."""
    if not hasattr(os, 'sched_setaffinity'):
        yield  # there the number of threads alone is limited
        return
    old = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, old)
