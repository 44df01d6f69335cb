"""The grid and its runner; the runs themselves are small scripts."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from experiments.study import grid, runner
from experiments.configs import base, study
from tests.helpers import commands, study_cases as cases
from tests.helpers.places import ROOT
from topdis_jax.data.errors import DataError
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import config as configs
from topdis_jax.training import interrupts, lock, workfolder

# Stands for experiments.run: its work folder is the last argument.
RUN = '''
import json, os, sys, time
folder = sys.argv[-1].split('=', 1)[1]
print('progress', flush=True)
if {fails} in folder:
    print('Traceback\\n  one', file=sys.stderr)
    sys.exit('SomeError: what went wrong')
{more}
path = os.path.join(folder, 'scores.json')
with open(path + '.tmp', 'w') as file:
    json.dump({{'mig': 0.1, 'settings': {{'step': 7}}}}, file)
os.replace(path + '.tmp', path)
'''


@pytest.fixture
def stub(monkeypatch):
    """Puts a script in the place of each run; returns the calls of it."""
    calls = []
    start = subprocess.Popen

    def install(fails="'nowhere'", more=''):
        def popen(command, **options):
            calls.append((command, options))
            script = RUN.format(fails=fails, more=more)
            return start([command[0], '-c', script, command[-1]], **options)

        monkeypatch.setattr(runner.subprocess, 'Popen', popen)
        monkeypatch.setattr(runner.sources, 'load', _images)
        return calls

    return install


def _images(name, **_):
    """In the place of a data set: a few of its images, of two factors."""
    return FactorDataset(name, np.zeros((6, 32, 32, 1), np.uint8),
                         ('scale', 'x'), (2, 3))


def test_the_grid_pairs_off_and_on_seed_by_seed():
    cells = grid.cells(cases.config())
    assert len(cells) == len(set(cells)) == 8
    assert [str(cell) for cell in cells[:3]] == [
        'sprites_small/beta_vae/off/10', 'sprites_small/beta_vae/on/10',
        'sprites_small/beta_tcvae/off/10']
    assert {cell.seed for cell in cells[:4]} == {10}


def test_off_differs_from_on_in_the_weight_alone():
    config = cases.config()
    off, on = (grid.run_config(config, grid.Cell('scenes_small', 'beta_tcvae',
                                                 arm, 11))
               for arm in grid.SWITCH)
    assert (off.topdis.weight, on.topdis.weight) == (0.0, 5.0)
    assert (on.seed, on.data.name, on.model.family, on.objective.beta) == (
        11, 'scenes_small', 'beta_tcvae', 6.0)
    off.topdis.weight = 5.0
    assert off == on
    assert config.run.seed == 0  # the study's own is left alone


@pytest.mark.parametrize('part', study.PARTS)
def test_every_part_of_the_study_can_be_run(part):
    config = study.get_config(part)
    config.lock()  # as that of a flag is
    grid.check(config)
    # Variants differ: from one another, and from their family.
    runs = {grid.run_config(config, grid.Cell('sprites_small', variant, 'on',
                                              0)).to_json()
            for variant in config.variants}
    assert len(runs) == len(config.variants)


def test_a_variant_has_settings_of_its_own_after_its_familys():
    config = cases.config(variants=('beta_vae', 'beta_vae+strong'))
    config.overrides['beta_vae+strong'] = {'topdis': {'weight': 9.0}}
    cell = grid.Cell('sprites_small', 'beta_vae+strong', 'on', 10)
    run = grid.run_config(config, cell)
    assert (run.model.family, run.topdis.weight, run.objective.beta) == (
        'beta_vae', 9.0, config.overrides.beta_vae.objective.beta)


@pytest.mark.parametrize('family', ['beta_tcvae', 'dava'])
def test_arguments_give_a_run_its_configuration(family):
    config = cases.config()
    cell = grid.Cell('sprites_small', family, 'off', 11)
    file, *pairs = grid.arguments(config, cell)
    assert file == f'--config={base.__file__}:{family}'
    done = subprocess.run(
        [sys.executable, '-c', 'import sys\n'
         'from absl import app\n'
         'from ml_collections import config_flags as flags\n'
         'c = flags.DEFINE_config_file("config", lock_config=True)\n'
         'app.run(lambda _: print(c.value.to_json()))', file, *pairs],
        capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == json.loads(
        grid.run_config(config, cell).to_json())


def test_each_cell_is_run_once_on_its_share_of_the_cores(tmp_path, stub):
    calls = stub()
    assert runner.run(cases.config(), tmp_path, jobs=2) == []
    assert len({command[-1] for command, _ in calls}) == len(calls) == 8
    threads = {str(len(share)) for share in runner.shares(2)}
    assert {options['env']['OMP_NUM_THREADS']
            for _, options in calls} <= threads
    for cell in grid.cells(cases.config()):
        state = grid.read(cell.folder(tmp_path), 'cell.json')
        assert state['state'] == 'finished' and 0 < state['seconds'] < 20
    # What is finished is not run again; more seeds are.
    assert runner.run(cases.config(), tmp_path) == [] and len(calls) == 8
    assert runner.run(cases.config(seeds=(12,)), tmp_path) == []
    assert len(calls) == 12 and len(grid.asked_cells(tmp_path)) == 12


def test_failures_are_told_with_their_last_line(tmp_path, stub):
    stub(fails="'beta_tcvae/on'")
    failed = runner.run(cases.config(), tmp_path, jobs=2)
    assert [(str(cell), message) for cell, message in failed] == [
        (f'sprites_small/beta_tcvae/on/{seed}', 'SomeError: what went wrong')
        for seed in (10, 11)]
    state = grid.read(failed[0][0].folder(tmp_path), 'cell.json')
    assert state['state'] == 'failed' and 'SomeError' in state['message']
    calls = stub()
    count = len(calls)
    assert runner.run(cases.config(), tmp_path) == []  # tried again
    assert len(calls) == count + 2


def test_a_run_that_ends_without_scores_has_failed(tmp_path, stub):
    stub(more='sys.exit(0)')
    failed = runner.run(cases.config(seeds=(10,)), tmp_path)
    assert len(failed) == 4
    assert 'not with the scores of its final step' in failed[0][1]


def test_a_killed_run_is_told_with_its_signal(tmp_path, stub):
    stub(more='os.kill(os.getpid(), 9)')
    (_, message), *_ = runner.run(cases.config(seeds=(10,)), tmp_path)
    assert message == 'killed by signal 9; its last line: progress'


def _terminate_when(path):
    """Sends this process SIGTERM once a file is there."""
    for _ in range(400):
        if os.path.exists(path):
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(0.02)


def test_termination_reaches_the_runs_and_is_resumed(tmp_path, stub):
    wait = ('import signal\n'
            'def stop(*_):\n'
            '    open(os.path.join(folder, "saved"), "w").close()\n'
            '    sys.exit(130)\n'
            'signal.signal(signal.SIGTERM, stop)\n'
            'open(os.path.join(folder, "ready"), "w").close()\n'
            'time.sleep(9)')
    calls = stub(more=wait)
    first = grid.cells(cases.config())[0].folder(tmp_path)
    watcher = threading.Thread(target=_terminate_when, args=(
        os.path.join(first, 'ready'),))
    watcher.start()
    start = time.monotonic()
    # A signal that comes too early, or too late, must not end the tests.
    with interrupts.Interrupts().installed(), pytest.raises(
            KeyboardInterrupt):
        runner.run(cases.config(), tmp_path, jobs=1)
    watcher.join()
    assert time.monotonic() - start < 8
    assert os.path.exists(os.path.join(first, 'saved'))
    assert grid.read(first, 'cell.json')['state'] == 'interrupted'
    assert len(calls) == 1  # those that wait are not started
    stub()
    assert runner.run(cases.config(), tmp_path, jobs=1) == []
    assert len(calls) == 9
    assert grid.read(first, 'cell.json')['state'] == 'finished'


def test_another_configuration_is_refused(tmp_path, stub):
    calls = stub()
    runner.run(cases.config(seeds=(10,)), tmp_path)
    other = cases.config()
    other.run.topdis.weight = 9.0
    with pytest.raises(workfolder.WorkFolderError, match='topdis.weight'):
        runner.run(other, tmp_path)
    assert len(calls) == 4


def test_two_studies_in_one_folder_are_refused(tmp_path, stub):
    calls = stub()
    with lock.locked(tmp_path, runner.LOCK):
        with pytest.raises(workfolder.WorkFolderError, match='in use'):
            runner.run(cases.config(), tmp_path)
    # Nothing of the refused one is left where the other is at work.
    assert not calls and os.listdir(tmp_path) == [runner.LOCK]


def test_what_a_data_set_has_not_is_told_before_all_cells(tmp_path, stub):
    calls = stub()
    config = cases.config()
    config.run.data.correlation = (('scale', 'hue', 0.2),)
    with pytest.raises(DataError, match='hue'):
        runner.run(config, tmp_path)
    assert not calls and not os.listdir(tmp_path)


def test_a_study_without_the_loss_needs_no_weight():
    config = cases.config(topdis=('off',))
    config.run.topdis.weight = 0.0
    grid.check(config)
    with pytest.raises(configs.SettingsError, match='topdis.weight'):
        config.topdis = ('off', 'on')
        grid.check(config)


def test_scores_that_cannot_be_read_are_told_with_their_path(tmp_path, stub):
    stub()
    runner.run(cases.config(), tmp_path)
    path = os.path.join(grid.cells(cases.config())[0].folder(tmp_path),
                        'scores.json')
    with open(path, 'w') as file:
        file.write('{"mig": ')
    with pytest.raises(workfolder.WorkFolderError, match=path):
        runner.run(cases.config(), tmp_path)


@pytest.mark.parametrize('change,words', [
    ({'topdis': ('of',)}, 'off, on'), ({'seeds': ()}, 'seeds'),
    ({'seeds': (1.5,)}, 'whole numbers'), ({'seeds': (-1,)}, 'config.seed'),
    ({'seeds': (3, 3)}, 'each once'), ({'variants': ('gan',)}, 'gan'),
    ({'variants': ('vae+of_another_part',)}, 'vae.of_another_part.*it has')])
def test_bad_grids_are_refused(change, words):
    with pytest.raises(configs.SettingsError, match=words):
        grid.check(cases.config(**change))


@pytest.mark.parametrize('jobs', [1, 2, 9])
def test_shares_use_all_cores_and_no_more(jobs, monkeypatch):
    monkeypatch.setattr(runner, '_cores', lambda: [0, 1, 2, 5])
    shares = runner.shares(jobs)
    assert len(shares) == jobs and all(shares)
    assert {core for share in shares for core in share} == {0, 1, 2, 5}
    assert max(map(len, shares)) == max(4 // jobs, 1)


@pytest.mark.parametrize('log,words', [
    ('a\nTraining: 1%\rTraining: 2%\nError: b\n\n  \n', 'Error: b'),
    ('Error: old\na\nError: b:\n  c: 1 there\nTry d.',
     'Error: b: c: 1 there Try d.'),
    ('a\nTraining: 1%\rTraining: 2%', 'Training: 2%'), ('', '')])
def test_the_last_words_of_a_log(tmp_path, log, words):
    path = tmp_path / 'log'
    path.write_text(log)
    assert runner.last_words(path) == words


@pytest.mark.parametrize('args,word', [
    (['--config=experiments/configs/study.py', '--config.seedz=(1,)'],
     'seedz'),
    (['--config=experiments/configs/study.py:halves'], 'sensitivity'),
    (['--config=experiments/configs/sprites.py'], 'study.py')])
def test_a_bad_key_gets_one_message(tmp_path, args, word):
    done = commands.run('experiments.study', *args, f'--workdir={tmp_path}/s')
    assert done.returncode != 0 and 'Traceback' not in done.stderr
    assert word in done.stdout + done.stderr
    assert not os.path.exists(tmp_path / 's')
