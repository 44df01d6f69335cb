"""Kills short runs at random moments and checks that nothing is lost.

    python -m experiments.soak [--kills=200] [--workdir=DIR] [--seed=0]

A small run with the topological loss is killed (SIGKILL) while it trains,
saves or scores, and started again, until it is finished; then another one.
Prints a table, and exits with 1 if a run that was killed did not end bit for
bit where the one that was left alone ended.
"""

import collections
import contextlib
import filecmp
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from absl import app, flags
import tqdm

from topdis_jax.training import workfolder

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PHASES = ('start-up', 'training', 'saving', 'scoring')
_COMPARED = ('metrics.jsonl', 'scores.json')
_STEPS, _EVERY = 150, 50
# Most of the time goes into starting, and most of that into compilation.
_QUICK = '--xla_backend_optimization_level=0'
_COMMAND = (
    sys.executable, '-m', 'experiments.run',
    '--config=experiments/configs/sprites.py',
    f'--config.train.steps={_STEPS}', f'--config.train.eval_every={_EVERY}',
    '--config.train.checkpoint_every=10', '--config.train.log_every=1',
    '--config.train.batch_size=16', '--config.topdis.delay=20',
    '--config.model.hidden=(8,)', '--config.model.decoder_hidden=(8,)',
    '--config.eval.scores=("mig",)')


class Failed(RuntimeError):
    """A run ended by itself with an error."""


def run(folder, kills, seed):
    """Kills `kills` times, prints the table; exits with 1 on a difference."""
    temporary = folder is None
    folder = folder or tempfile.mkdtemp(prefix='soak_')
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
    with _start(folder) as process:
        while process.poll() is None:
            phase, step = _phase(folder, before), _last_step(folder)
            if aim == 'start-up' or step >= target and (
                    phase == aim or step >= target + _EVERY):
                time.sleep(delay)
                break
            time.sleep(0.001)
        phase = _phase(folder, before)
        process.kill()
    if process.returncode == -9:
        return phase
    _check(process.returncode, folder)
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
    rows = workfolder.read_rows(os.path.join(folder, 'metrics.jsonl'))
    last = rows[-1] if rows else {'step': 1}
    scoring = last['step'] % _EVERY == 0 and 'scores' not in last
    return 'scoring' if scoring else 'training'


def _log_file(folder):
    """The number of the log's file, or None."""
    try:
        return os.stat(os.path.join(folder, 'metrics.jsonl')).st_ino
    except FileNotFoundError:
        return None


def _last_step(folder):
    rows = workfolder.read_rows(os.path.join(folder, 'metrics.jsonl'))
    return rows[-1]['step'] if rows else 0


def _list(folder):
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _start(folder):
    with open(os.path.join(folder, 'output.txt'), 'w') as output:
        return subprocess.Popen(
            [*_COMMAND, f'--workdir={os.path.abspath(folder)}'],
            stdout=output, stderr=subprocess.STDOUT, cwd=_ROOT,
            env={'XLA_FLAGS': _QUICK, **os.environ})


def _finish(folder):
    """Runs to the end what is left of a run."""
    if not os.path.exists(os.path.join(folder, 'scores.json')):
        with _start(folder) as process:
            pass
        _check(process.returncode, folder)


def _check(status, folder):
    if status:
        with open(os.path.join(folder, 'output.txt')) as file:
            raise Failed(f'the run in {folder} ended with {status}:\n'
                         + file.read()[-2000:])


def _different(whole, run):
    """The files of a run that are not those of the other; it goes if none."""
    found = [os.path.join(run, name) for name in _COMPARED
             if not filecmp.cmp(os.path.join(whole, name),
                                os.path.join(run, name), shallow=False)]
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
