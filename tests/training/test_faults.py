"""What befalls a run: message, exit status, and what is left on disk."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from experiments import console, run
from tests.helpers import training_cases as cases
from tests.helpers.places import ROOT
from topdis_jax.training import finite, interrupts, lock, loop
from topdis_jax.training import steps, workfolder


def _config(**changes):
    return cases.config(**{
        'train__steps': 12, 'train__log_every': 1, 'topdis__weight': 0.0,
        'train__checkpoint_every': 4, 'train__eval_every': 0,
        'eval__batch_size': 64, **changes})


def _rows(folder):
    return workfolder.read_rows(folder / 'metrics.jsonl')


@pytest.fixture(scope='module')
def dataset():
    return cases.blobs()


@pytest.fixture(scope='module')
def compiled():
    """The compiled steps of _config, for all tests."""
    return loop._make_steps(_config(), *_parts())


def _parts():
    config = _config()
    model = loop.states.make_model(config, cases.SHAPE)
    return model, loop.families.make_objective(config, 64, 'batch')


@pytest.fixture
def train(monkeypatch, dataset, compiled):
    """Trains in a folder, with steps compiled once."""
    monkeypatch.setattr(loop, '_make_steps', lambda *args: compiled)
    monkeypatch.setattr(loop, 'score_model',
                        lambda *args: {'mig': 0.5, 'reconstruction': 1.0})

    def train(folder, plot=None, **changes):
        return loop.train(_config(**changes), folder, dataset, plot)

    return train


@pytest.fixture
def at_step(monkeypatch):
    """Has something done in the middle of a step, once."""
    due = loop._due

    def install(step, action):
        left = [action]

        def acting(options, number):
            if number == step and left:
                left.pop()()
            return due(options, number)

        monkeypatch.setattr(loop, '_due', acting)

    return install


def _told(function, *args):
    """The exit status, or the message, of an entry point."""
    with pytest.raises(SystemExit) as error, console.ending_with_messages():
        function(*args)
    return error.value.code


@pytest.mark.parametrize('number,status', [(signal.SIGINT, 130),
                                           (signal.SIGTERM, 143)])
def test_a_signal_saves_and_ends_with_its_status(
        tmp_path, train, at_step, capsys, number, status):
    before = signal.getsignal(number)
    at_step(6, lambda: os.kill(os.getpid(), number))
    assert _told(train, tmp_path) == status
    assert 'step 6, which is saved. The same' in capsys.readouterr().err
    assert (tmp_path / 'checkpoints' / 'latest' / '6').is_dir()
    assert [row['step'] for row in _rows(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert signal.getsignal(number) == before


def test_a_signal_while_scoring_loses_no_score(tmp_path, train, monkeypatch):
    train(tmp_path / 'whole', train__eval_every=5)
    score = loop.score_model

    def interrupting(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return score(*args)

    monkeypatch.setattr(loop, 'score_model', interrupting)
    assert _told(lambda: train(tmp_path / 'parts',
                               train__eval_every=5)) == 143
    monkeypatch.setattr(loop, 'score_model', score)
    train(tmp_path / 'parts', train__eval_every=5)
    assert _rows(tmp_path / 'parts') == _rows(tmp_path / 'whole')
    assert [row['step'] for row in _rows(tmp_path / 'whole')
            if 'scores' in row] == [5, 10]


def test_a_second_signal_of_a_launcher_does_not_break_off_the_saving(
        tmp_path, train, at_step, monkeypatch):
    save = loop.Checkpoints.save

    def saving(self, state):
        save(self, state)
        if state.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop.Checkpoints, 'save', saving)
    at_step(6, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert _told(train, tmp_path) == 143
    assert (tmp_path / 'checkpoints' / 'latest' / '6').is_dir()


def test_a_state_that_is_not_finite_is_not_saved_by_a_signal(
        tmp_path, train, at_step, monkeypatch):
    def spoil():
        monkeypatch.setattr(
            loop.parallel, 'on_host', lambda state: state._replace(
                step=np.int32(6), params={'bias': np.float32(np.nan)}))
        os.kill(os.getpid(), signal.SIGTERM)

    at_step(6, spoil)
    assert 'last good checkpoint is that of step 4' in _told(train, tmp_path)
    assert sorted(os.listdir(tmp_path / 'checkpoints' / 'latest'))[-1] == '4'


def test_the_best_is_kept_before_its_scores_are_logged(
        tmp_path, train, monkeypatch):
    kept = []
    write = loop.workfolder.Log.write

    def writing(self, row):
        if 'scores' in row:
            kept.append(os.listdir(tmp_path / 'checkpoints' / 'best'))
        write(self, row)

    monkeypatch.setattr(loop.workfolder.Log, 'write', writing)
    train(tmp_path, train__eval_every=5)
    assert kept == [['5'], ['10']] or kept == [['5'], ['5']]


_STUCK = """
import jax, numpy as np, time
from topdis_jax.training import interrupts
def wait(x):
    print('in a step', flush=True)
    time.sleep(600)
    return np.asarray(x)
step = jax.jit(lambda x: jax.pure_callback(wait, x, x))
handler = interrupts.Interrupts()
with handler.installed(), handler.deferred():
    jax.block_until_ready(step(np.float32(0)))
"""


def test_a_second_signal_does_not_wait():
    process = subprocess.Popen(
        [sys.executable, '-c', _STUCK], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout.readline() == 'in a step\n'
    process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(interrupts._TOGETHER + 0.3)
    process.terminate()
    assert process.wait(10) == 143
    assert 'last checkpoint' in process.stderr.read()


def _full(*args, **kwargs):
    raise OSError(errno.ENOSPC, 'No space left on device')


def _check_goes_on(message, folder, train, monkeypatch, saved):
    assert 'No space left' in message and 'same command' in message
    steps = os.listdir(folder / 'checkpoints' / 'latest')
    assert max(int(s) for s in steps if s.isdigit()) == saved
    monkeypatch.undo()
    train_again, whole = train, folder.parent / 'whole'
    train_again(folder)
    train_again(whole)
    assert _rows(folder) == _rows(whole)


@pytest.mark.parametrize('at', [6, 8])
def test_disk_full_while_logging(tmp_path, train, at_step, at):
    with pytest.MonkeyPatch.context() as patch:
        at_step(at, lambda: patch.setattr(workfolder.Log, 'write', _full))
        message = _told(train, tmp_path / 'run')
        _check_goes_on(message, tmp_path / 'run', train, patch, saved=4)


def test_disk_full_while_saving(tmp_path, train, at_step, capfd):
    with pytest.MonkeyPatch.context() as patch:
        def fill():
            while not (tmp_path / 'run/checkpoints/latest/4').exists():
                time.sleep(0.01)
            # In the background, after save() has returned.
            patch.setattr(ocp.StandardCheckpointHandler, 'finalize', _full)

        at_step(8, fill)
        message = _told(train, tmp_path / 'run')
        assert str(tmp_path) in message
        assert 'Traceback' not in capfd.readouterr().err
        _check_goes_on(message, tmp_path / 'run', train, patch, saved=4)


_LEFT = """
import asyncio, errno, os, sys
from experiments import console
from topdis_jax.training import checkpoints

class Left:
    def __del__(self):  # as what a save has under way reports to its loop
        loop = asyncio.new_event_loop()
        loop.close()
        loop.call_soon_threadsafe(print)

with console.ending_with_messages():
    with checkpoints._translating_errors('FOLDER', 'save'):
        for _ in range(5):
            Left()
        raise ValueError('RESOURCE_EXHAUSTED: Error writing "x/0": '
                         + os.strerror(errno.ENOSPC) + ' [source locations]')
"""


def test_a_full_disk_is_told_without_what_the_save_left_under_way():
    done = subprocess.run([sys.executable, '-c', _LEFT], text=True, cwd=ROOT,
                          capture_output=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        'Error: cannot save checkpoints in FOLDER: the disk is full (No space '
        'left on device)', 'Those before are intact: once this is put right, '
        'the same command goes on from the last of them.']


def test_disk_full_while_drawing(tmp_path, train):
    message = _told(train, tmp_path, _full)
    assert 'No space left' in message
    assert (tmp_path / 'checkpoints' / 'latest' / '12').is_dir()
    assert not (tmp_path / 'scores.json').exists()


def test_none_of_the_checkpoints_can_be_read(tmp_path, train):
    train(tmp_path)
    log = (tmp_path / 'metrics.jsonl').read_bytes()
    for path in (tmp_path / 'checkpoints' / 'latest').glob('*/state'):
        (path / '_METADATA').write_bytes(b'')
    message = _told(train, tmp_path)
    assert 'steps 12, 8' in message and 'none' in message
    assert (tmp_path / 'metrics.jsonl').read_bytes() == log


@pytest.mark.parametrize('engine,hint', [('xla', True), ('host', False)])
def test_message_of_divergence(engine, hint):
    row = {'loss': np.nan, 'reconstruction': 2.5, 'topdis': np.inf}
    with pytest.raises(finite.TrainingDiverged) as error:
        finite.check(cases.config(topdis__engine=engine), 7, row, 4)
    message = str(error.value)
    assert 'step 7 is not finite: loss nan, topdis inf.' in message
    assert 'reconstruction 2.5' in message and 'that of step 4' in message
    assert ('topdis.capacity' in message) == hint
    finite.check(cases.config(), 7, {'loss': 1.0}, 4)


def _numbers(loss):
    return {'loss': jax.numpy.asarray(loss),
            'grad_norm': jax.numpy.asarray(1.0)}


@pytest.mark.parametrize('late', [0, 1, 2])
def test_the_first_bad_step_is_named(late):
    watch = finite.Watch(cases.config(), lambda: 4, late)
    watch.note(5, _numbers(1.0))
    with pytest.raises(finite.TrainingDiverged, match='step 6.*loss nan'):
        for step in range(6, 7 + late):
            watch.note(step, _numbers(np.nan))
    assert step == 6 + late


def test_before_a_row_or_a_save_all_steps_are_looked_at():
    for look in (lambda watch: watch.row(7, _numbers(1.0)),
                 lambda watch: watch.look()):
        watch = finite.Watch(cases.config(), lambda: None, late=1)
        watch.note(6, _numbers(np.inf))
        with pytest.raises(finite.TrainingDiverged, match='step 6.*loss inf'):
            look(watch)


def test_a_state_that_is_not_finite_is_not_saved():
    state = {'params': {'kernel': np.ones(3, np.float32)},
             'step': np.int32(7)}
    finite.check_state(7, state, 4)
    state['params']['kernel'][1] = np.inf
    with pytest.raises(finite.TrainingDiverged,
                       match=r"(?s)step 7: state.*kernel.*that of step 4"):
        finite.check_state(7, state, 4)


@pytest.mark.parametrize('family', ['vae', 'factor_vae'])
def test_a_step_that_is_not_finite_changes_nothing(family, monkeypatch):
    config = cases.config(family, train__skip_nonfinite=True)
    state, step = cases.make(config, topdis=False, axis_name='batch')
    step = jax.pmap(step, axis_name='batch', in_axes=(None, 0))
    batch = cases.batch(devices=4)
    good, metrics = step(state, batch)
    assert metrics['skipped'].tolist() == [0] * 4
    # One device's parameters cannot be bad alone; its images cannot be bad
    # at all. An infinite posterior makes all of it so.
    bad = jax.tree.map(lambda x: x, state.params)
    bad['encoder']['out']['bias'] = bad['encoder']['out']['bias'] + np.inf
    before = state._replace(params=bad)
    after, metrics = step(before, batch)
    assert not np.isfinite(metrics['loss']).any()
    assert metrics['skipped'].tolist() == [1] * 4
    for device in range(4):
        found = jax.tree.map(lambda x: np.asarray(x)[device], after)
        assert found.step == 1 and found.skipped == 1
        chex.assert_trees_all_equal(found._replace(step=0, skipped=0),
                                    before._replace(step=0, skipped=0))
    # It does nothing to a good step.
    config.train.skip_nonfinite = False
    _, plain = cases.make(config, topdis=False, axis_name='batch')
    plain, _ = jax.pmap(plain, axis_name='batch', in_axes=(None, 0))(
        state, batch)
    chex.assert_trees_all_close(plain, good, rtol=1e-6, atol=1e-7)


def test_skipped_steps_are_logged_and_resumed(tmp_path, dataset, monkeypatch):
    make_step = steps.make_step

    def poisoned(config, *args, **kwargs):
        step = make_step(config, *args, **kwargs)

        def poison(state, batch):
            bad = jax.numpy.isin(state.step, np.array([3, 6]))
            nan = jax.numpy.where(bad, np.nan, 0.0)
            params = jax.tree.map(lambda x: x + nan, state.params)
            new, metrics = step(state._replace(params=params), batch)
            return new._replace(params=jax.tree.map(
                lambda a, b: jax.numpy.where(bad, a, b),
                state.params, new.params)), metrics

        return poison

    monkeypatch.setattr(steps, 'make_step', poisoned)
    monkeypatch.setattr(loop, 'score_model',
                        lambda *args: {'mig': 0.5, 'reconstruction': 1.0})
    options = dict(train__skip_nonfinite=True)
    loop.train(_config(train__steps=5, **options), tmp_path, dataset)
    loop.train(_config(**options), tmp_path, dataset)
    rows = _rows(tmp_path)
    assert [row['skipped'] for row in rows] == [0, 0, 0, 1, 1, 1] + [2] * 6
    assert [row['step'] for row in rows if 'loss' not in row] == [4, 7]
    assert np.isfinite(rows[-1]['loss'])
    # The same without the option stops there, and may go on with it.
    with pytest.raises(loop.TrainingDiverged, match='step 4 is not'):
        loop.train(_config(train__log_every=5), tmp_path / 'b', dataset)


def test_a_second_run_in_a_folder(tmp_path):
    config = _config()
    workfolder.prepare(tmp_path, json.loads(config.to_json()))
    config.train.steps = 20
    with lock.locked(tmp_path):
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        message = _told(run.run, config, str(tmp_path))
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert f'process {os.getpid()}' in message and 'another run' in message
