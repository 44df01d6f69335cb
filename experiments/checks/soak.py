"""Kills short runs at random moments and checks that nothing is lost.

    python -m experiments.checks.soak [--kills=200] [--workdir=DIR] [--seed=0]

A small run with the topological loss is killed (SIGKILL) while it trains,
saves or scores, and started again, until it is finished; then another one.
Prints a table, and exits with 1 if a run that was killed did not end bit for
bit where the one that was left alone ended.

Each start is a process forked from one that has the imports behind it, but has
not touched a device; and all share what XLA compiled. So a kill costs a few
seconds.
"""

import collections
import contextlib
import filecmp
import json
import multiprocessing
import os
import random
import runpy
import shutil
import sys
import tempfile
import time

from absl import app, flags
import tqdm

_PHASES = ('start-up', 'training', 'saving', 'scoring')
_COMPARED = ('metrics.jsonl', 'scores.json')
_BEST = os.path.join('checkpoints', 'best')
_STEPS, _EVERY = 150, 50
# Module and arguments. Few latents: most of scoring is plotting them.
_COMMAND = (
    'experiments.run', '--config=experiments/configs/sprites.py',
    f'--config.train.steps={_STEPS}', f'--config.train.eval_every={_EVERY}',
    '--config.train.checkpoint_every=10', '--config.train.log_every=1',
    '--config.train.batch_size=16', '--config.topdis.delay=20',
    '--config.model.hidden=(8,)', '--config.model.decoder_hidden=(8,)',
    '--config.model.latents=3', '--config.eval.scores=("mig",)')
_FORKS = multiprocessing.get_context('forkserver')
# All that experiments.run imports, but not itself: its flags belong to one
# program.
_FORKS.set_forkserver_preload([
    'experiments.console', 'ml_collections.config_flags', 'topdis_jax.plots',
    'sklearn.metrics'])
# Most of the rest of a start is compilation.
_ENVIRONMENT = {
    'XLA_FLAGS': '--xla_backend_optimization_level=0',
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES': '-1'}


class Failed(RuntimeError):
    """A run ended by itself with an error."""


def run(folder, kills, seed):
    """Kills `kills` times, prints the table; exits with 1 on a difference."""
    temporary = folder is None
    folder = os.path.abspath(folder or tempfile.mkdtemp(prefix='soak_'))
    # Before the first fork.
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault('JAX_COMPILATION_CACHE_DIR',
                          os.path.join(folder, 'compiled'))
    try:
        table, mismatches = soak(folder, kills, random.Random(seed))
    except Failed as error:
        sys.exit(f'Error: {error}')
    print_table(table, mismatches)
    if mismatches:
        sys.exit(1)
    if sum(table[phase] for phase in _PHASES) < kills:
        sys.exit(130)
    if temporary:
        shutil.rmtree(folder)


def soak(folder, kills, rng):
    """Kills and resumes; returns kills by phase, and what differed.

    Args:
      folder: of the runs. Those that ended as they should are removed.
      kills: how many.
      rng: random.Random of the moments.

    Returns:
      Counter of phases, with 'runs' that were finished; list of the files that
      are not those of the uninterrupted run.
    """
    os.makedirs(folder, exist_ok=True)
    whole = tempfile.mkdtemp(prefix='whole_', dir=folder)
    table, mismatches = collections.Counter(), []
    # After Ctrl-C the table is that of the kills so far.
    with contextlib.suppress(KeyboardInterrupt), tqdm.tqdm(
            total=kills, unit='kill', dynamic_ncols=True) as bar:
        bar.set_description('Uninterrupted run')
        bar.refresh()
        _finish(whole)
        bar.set_description('Killing')
        while sum(table[phase] for phase in _PHASES) < kills:
            run = tempfile.mkdtemp(prefix='killed_', dir=folder)
            while sum(table[phase] for phase in _PHASES) < kills:
                phase = kill_once(run, rng)
                if phase is None:
                    break
                table[phase] += 1
                bar.update()
            _finish(run)
            table['runs'] += 1
            mismatches += _different(whole, run)
            bar.set_postfix(runs=table['runs'], mismatches=len(mismatches))
    shutil.rmtree(whole)
    return table, mismatches


def kill_once(folder, rng):
    """Starts a run and kills it; the phase, or None if it ended before."""
    aim = rng.choices(_PHASES, (1, 5, 4, 4))[0]
    before = _log_file(folder)
    target = rng.randint(_last_step(folder) + 1, _last_step(folder) + 40)
    delay = rng.uniform(0, {'start-up': 5, 'scoring': 1}.get(aim, 0.02))
    process = _start(folder)
    with contextlib.closing(process):
        while process.exitcode is None:
            phase, step = _phase(folder, before), _last_step(folder)
            if aim == 'start-up' or step >= target and (
                    phase == aim or step >= target + _EVERY):
                time.sleep(delay)
                break
            time.sleep(0.002)
        phase = _phase(folder, before)
        process.kill()
        process.join()
        if process.exitcode == -9:
            return phase
        _check(process.exitcode, folder)
    return None


def print_table(table, mismatches):
    """Kills by phase, runs and mismatches."""
    for phase in _PHASES:
        print(f'killed in {phase:<12}{table[phase]:>6}')
    print(f'kills in all          {sum(table[p] for p in _PHASES):>6}')
    print(f'runs finished         {table["runs"]:>6}')
    print(f'files that differ     {len(mismatches):>6}')
    for path in mismatches:
        print(f'  {path}')


def _phase(folder, before):
    """What a run is doing, from its files; `before`: its log at the start."""
    if _log_file(folder) == before:  # a run begins with a new one
        return 'start-up'
    saves = os.path.join(folder, 'checkpoints')
    if any('tmp' in step for name in ('latest', 'best')
           for step in _list(os.path.join(saves, name))):
        return 'saving'
    last = _last_row(folder) or {'step': 1}
    scoring = last['step'] % _EVERY == 0 and 'scores' not in last
    return 'scoring' if scoring else 'training'


def _log_file(folder):
    """The number of the log's file, or None."""
    try:
        return os.stat(os.path.join(folder, 'metrics.jsonl')).st_ino
    except FileNotFoundError:
        return None


def _last_step(folder):
    return (_last_row(folder) or {'step': 0})['step']


def _last_row(folder):
    """The last whole row of the log, or None; looks at its end alone."""
    try:
        with open(os.path.join(folder, 'metrics.jsonl'), 'rb') as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2000))
            lines = file.read().split(b'\n')[:-1]
    except FileNotFoundError:
        return None
    return json.loads(lines[-1]) if lines else None


def _list(folder):
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _start(folder):
    process = _FORKS.Process(
        target=_become, daemon=True,
        args=((*_COMMAND, f'--workdir={os.path.abspath(folder)}'),
              os.path.join(folder, 'output.txt')))
    process.start()
    return process


def _become(command, output):
    """What python -m COMMAND would do, in this process."""
    with open(output, 'w') as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    # Names of semaphores, as of progress bars, would stay after a kill.
    multiprocessing.set_start_method('fork', force=True)
    sys.argv[1:] = command[1:]
    runpy.run_module(command[0], run_name='__main__', alter_sys=True)


def _finish(folder):
    """Runs to the end what is left of a run."""
    if not os.path.exists(os.path.join(folder, 'scores.json')):
        with contextlib.closing(_start(folder)) as process:
            process.join()
            _check(process.exitcode, folder)


def _check(status, folder):
    if status:
        with open(os.path.join(folder, 'output.txt')) as file:
            raise Failed(f'the run in {folder} ended with {status}:\n'
                         + file.read()[-2000:])


def _different(whole, run):
    """The files of a run that are not those of the other; it goes if none.

    Of the best checkpoint, whether it is of the same step.
    """
    found = [os.path.join(run, name) for name in _COMPARED
             if not filecmp.cmp(os.path.join(whole, name),
                                os.path.join(run, name), shallow=False)]
    if len({tuple(_list(os.path.join(folder, _BEST)))
            for folder in (whole, run)}) > 1:
        found.append(os.path.join(run, _BEST))
    if not found:
        shutil.rmtree(run)
    return found


def main():
    """Flags are defined here, for tests import other programs beside."""
    kills = flags.DEFINE_integer('kills', 200, 'How many.', lower_bound=1)
    folder = flags.DEFINE_string(
        'workdir', None, 'Folder of the runs; a temporary one if left out.')
    seed = flags.DEFINE_integer('seed', 0, 'Of the moments.')
    app.run(lambda argv: run(folder.value, kills.value, seed.value))


if __name__ == '__main__':
    main()
