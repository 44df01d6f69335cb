"""Runs: exact resume, interruption, divergence, files of the folder."""

import dataclasses
import json
import os
import signal

import jax
import numpy as np
import pytest

from tests.helpers import training_cases as cases
from topdis_jax.training import loop, parallel, steps, workfolder


@pytest.fixture(scope='module')
def dataset():
    return cases.blobs()


@pytest.fixture(scope='module', autouse=True)
def compiled_once():
    """Runs of one configuration share their compiled steps."""
    make_steps, known = loop._make_steps, {}

    def shared(config, *parts):
        key = (steps.make_step, parallel.axis_name(), config.train.batch_size,
               *(config[section].to_json()
                 for section in ('model', 'objective', 'topdis')))
        if key not in known:
            known[key] = make_steps(config, *parts)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, '_make_steps', shared)
        yield


def _config(family='vae', **changes):
    changes = {'train__steps': 12, 'train__log_every': 1,
               'train__checkpoint_every': 4, 'train__eval_every': 0,
               'topdis__delay': 5, 'eval__batch_size': 64, **changes}
    return cases.config(family, **changes)


@pytest.fixture(scope='module')
def whole(tmp_path_factory, dataset):
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp('whole')
    loop.train(_config(), folder, dataset)
    return folder


def _rows(folder):
    return workfolder.read_rows(folder / 'metrics.jsonl')


def test_the_main_result_of_the_first_score_ranks_checkpoints(
        tmp_path, dataset, monkeypatch):
    values, ranks = iter((0.2, 0.7, 0.4)), []
    monkeypatch.setattr(loop, 'score_model', lambda *_: {
        'infomec_explicitness': 0.9, 'mig': 0.1, 'reconstruction': 5.0,
        'infomec_modularity': next(values)})
    monkeypatch.setattr(loop.Checkpoints, 'save_if_best',
                        lambda self, state, *rank: ranks.append(rank))
    config = _config(train__eval_every=4, eval__scores=('infomec', 'mig'))
    loop.train(config, tmp_path, dataset)
    assert ranks == [('infomec_modularity', value)
                     for value in (0.2, 0.7, 0.4)]


def test_a_run_leaves_its_files(tmp_path, dataset):
    drawn = []
    scores = loop.train(_config(train__eval_every=6), tmp_path, dataset,
                        lambda model, rows, step: drawn.append(
                            (len(rows), step)))
    rows = [row for row in _rows(tmp_path) if 'loss' in row]
    assert [row['step'] for row in rows] == list(range(1, 13))
    assert ['topdis' in row for row in rows] == [False] * 5 + [True] * 7
    assert rows[-1]['reconstruction'] < rows[0]['reconstruction']
    saved = json.loads((tmp_path / 'scores.json').read_text())
    assert saved['mig'] == scores['mig']
    assert saved['reconstruction'] == scores['reconstruction']
    assert [row['step'] for row in _rows(tmp_path) if 'scores' in row] == [6]
    assert drawn == [(6, 6), (13, 12)]


def test_scores_that_were_added_stay(tmp_path, dataset):
    config = _config(train__steps=2)
    loop.train(config, tmp_path, dataset)
    path = tmp_path / 'scores.json'
    scores = json.loads(path.read_text())
    path.write_text(json.dumps({'sap': 0.5, **scores}))
    loop.train(config, tmp_path, dataset)
    assert json.loads(path.read_text()) == {'sap': 0.5, **scores}
    loop.train(_config(train__steps=3), tmp_path, dataset)
    assert json.loads(path.read_text()).keys() == scores.keys()


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, dataset, whole):
    loop.train(_config(train__steps=7), tmp_path, dataset)
    scores = loop.train(_config(), tmp_path, dataset)
    assert _rows(tmp_path) == _rows(whole)
    # A finished run is only scored.
    assert loop.train(_config(), tmp_path, dataset) == scores
    assert _rows(tmp_path) == _rows(whole)


def test_one_device_needs_no_mapped_axis(tmp_path, dataset, whole,
                                         monkeypatch):
    monkeypatch.setattr(parallel, 'axis_name', lambda: None)
    loop.train(_config(), tmp_path / 'whole', dataset)
    loop.train(_config(train__steps=7), tmp_path / 'parts', dataset)
    loop.train(_config(), tmp_path / 'parts', dataset)
    assert _rows(tmp_path / 'parts') == _rows(tmp_path / 'whole')
    for one, many in zip(_rows(tmp_path / 'whole'), _rows(whole), strict=True):
        assert one.keys() == many.keys()
        np.testing.assert_allclose([one[name] for name in one],
                                   [many[name] for name in one], rtol=1e-3)


@pytest.mark.parametrize('family', ['factor_vae', 'control_vae', 'dava'])
def test_what_a_family_keeps_is_resumed(tmp_path, dataset, family):
    options = dict(topdis__weight=0.0, train__checkpoint_every=0)
    if family == 'dava':  # whose discriminator takes no smaller images
        options['train__batch_size'] = 4
        dataset = dataclasses.replace(dataset, images=np.kron(
            dataset.images, np.ones((1, 4, 4, 1), np.uint8)))
    loop.train(_config(family, **options), tmp_path / 'whole', dataset)
    loop.train(_config(family, train__steps=7, **options), tmp_path / 'parts',
               dataset)
    loop.train(_config(family, **options), tmp_path / 'parts', dataset)
    assert _rows(tmp_path / 'whole') == _rows(tmp_path / 'parts')


def test_interrupted_run_is_saved_and_goes_on(tmp_path, dataset, whole,
                                              monkeypatch, capsys):
    due = loop._due

    def interrupting(options, step):
        if step == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return due(options, step)

    monkeypatch.setattr(loop, '_due', interrupting)
    with pytest.raises(KeyboardInterrupt):
        loop.train(_config(), tmp_path, dataset)
    assert 'step 6, which is saved' in capsys.readouterr().err
    monkeypatch.undo()
    loop.train(_config(), tmp_path, dataset)
    assert _rows(tmp_path) == _rows(whole)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_under_way(number):
    interrupts = loop.Interrupts()
    done = []
    with interrupts.installed(), pytest.raises(KeyboardInterrupt):
        with interrupts.deferred():
            os.kill(os.getpid(), number)
            done.append('step')
    assert done == ['step']


@pytest.mark.parametrize('log_every', [1, 5])
@pytest.mark.parametrize('late', [0, 1])
def test_divergence_stops_with_the_last_good_checkpoint(
        tmp_path, dataset, monkeypatch, late, log_every):
    monkeypatch.setattr(loop, '_late', lambda: late)
    make_step = steps.make_step

    def diverging(*args, **kwargs):
        step = make_step(*args, **kwargs)

        def poisoned(state, batch):
            state, metrics = step(state, batch)
            bad = jax.numpy.where(state.step > 6, np.nan, 0.0)
            return state, {**metrics, 'loss': metrics['loss'] + bad}

        return poisoned

    monkeypatch.setattr(steps, 'make_step', diverging)
    with pytest.raises(loop.TrainingDiverged, match='step 7') as error:
        loop.train(_config(topdis__weight=0.0, train__log_every=log_every),
                   tmp_path, dataset)
    assert 'step 4' in str(error.value)
    assert [row['step'] for row in _rows(tmp_path)] == list(
        range(log_every, 7, log_every))


def test_steps_that_are_looked_at_late_are_the_same(tmp_path, dataset, whole,
                                                    monkeypatch):
    monkeypatch.setattr(loop, '_late', lambda: 1)
    loop.train(_config(), tmp_path, dataset)
    assert (tmp_path / 'metrics.jsonl').read_bytes() == (
        whole / 'metrics.jsonl').read_bytes()


def test_no_fewer_steps_than_there_are(tmp_path, dataset):
    loop.train(_config(train__steps=3), tmp_path, dataset)
    with pytest.raises(workfolder.WorkFolderError,
                       match='at step 3 already.*train.steps is 2'):
        loop.train(_config(train__steps=2), tmp_path, dataset)


def test_a_discriminator_that_is_not_finite_is_not_saved(
        tmp_path, dataset, monkeypatch):
    make_step = steps.make_step

    def diverging(*args, **kwargs):
        step = make_step(*args, **kwargs)

        def poisoned(state, batch):  # no metric says so
            state, metrics = step(state, batch)
            bad = jax.numpy.where(state.step > 3, np.nan, 0.0)
            return state._replace(carry=jax.tree.map(
                lambda x: x + bad.astype(x.dtype), state.carry)), metrics

        return poisoned

    monkeypatch.setattr(steps, 'make_step', diverging)
    config = _config('factor_vae', topdis__weight=0.0, train__steps=6)
    with pytest.raises(loop.TrainingDiverged, match='step 4: state.*carry'):
        loop.train(config, tmp_path, dataset)


def test_batches_lie_on_their_devices_before_a_step_asks(dataset):
    config = _config()
    objective = loop.families.make_objective(config, len(dataset))
    batch = loop._batch(config, dataset, objective, None, 3)['images']
    assert batch.shape == (4, 4, *dataset.image_shape)
    expected = loop.pipeline.batch(dataset, config.seed, 3, 16)
    np.testing.assert_array_equal(
        np.concatenate(batch), expected)
    for device, shard in zip(jax.local_devices(), batch.addressable_shards):
        assert shard.device == device and shard.data.shape[0] == 1
    # As pmap would have put them: it has nothing to move.
    with jax.transfer_guard('disallow'):
        jax.pmap(lambda x: x, axis_name='batch')(batch)
