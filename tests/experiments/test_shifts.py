"""Latents of a trained model, measured one by one."""

import json
import shutil

import jax
import numpy as np
from PIL import Image
import pytest

from experiments import trained
from experiments.study import shifts
from tests.helpers import training_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import loop, workfolder


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    config = cases.config(train__steps=3, train__eval_every=0,
                          eval__batch_size=64, topdis__weight=0.0)
    workfolder.prepare(folder, json.loads(config.to_json()))
    loop.train(config, folder, cases.blobs())
    return folder


def test_a_latent_that_nothing_hears_has_no_topology(run, monkeypatch):
    monkeypatch.setattr(trained.sources, 'load', lambda *_, **__: cases.blobs())
    loaded = trained.load(run)
    deaf = jax.tree.map(lambda x: x, loaded.state.params)
    first = deaf['decoder']['latents']['kernel']
    deaf['decoder']['latents']['kernel'] = first.at[1].set(0.0)
    found = shifts.measure(loaded._replace(
        state=loaded.state._replace(params=deaf)), batches=2)
    assert found.rtd[1] == 0 and found.rtd[0] > 0
    assert found.rtd.shape == found.kl.shape == (len(first),)
    assert found.known.shape == (len(first), 3)
    assert np.all((found.known >= 0) & (found.known <= 1 + 1e-9))
    path = run / 'shifts.png'
    shifts.plot(path, {'a run': (found, loaded.dataset.factor_names)})
    assert Image.open(path).width > 400


def test_gaps_factor_by_factor():
    known = np.array([[0.9, 0.1], [0.25, 0.3], [0.0, 0.05]])
    found = {name: shifts.Latents(np.zeros(3), np.zeros(3), share * known)
             for name, share in (('whole', 1), ('half', 0.5), ('other', 1))}
    names = {'whole': ('hue', 'size'), 'half': ('hue', 'size'),
             'other': ('x', 'y')}
    first, second = shifts.gap_tables(found, names).split('\n\n')
    assert first.splitlines() == [
        '| run | MIG | hue | size |', '| --- | --- | --- | --- |',
        '| whole | 0.42 | 0.65 | 0.20 |', '| half | 0.21 | 0.33 | 0.10 |']
    assert second.splitlines()[0] == '| run | MIG | x | y |'


def test_names_of_runs_are_what_tells_them_apart():
    assert trained.short_names(['/a/b/on/10', '/a/c/on/10']) == [
        'b/on/10', 'c/on/10']
    assert trained.short_names(['/a/b/on/10/']) == ['10']


def test_folders_without_a_run_or_a_checkpoint(run, tmp_path, monkeypatch):
    monkeypatch.setattr(trained.sources, 'load', lambda *_, **__: cases.blobs())
    with pytest.raises(workfolder.WorkFolderError, match='config.json'):
        trained.load(tmp_path)
    with pytest.raises(workfolder.WorkFolderError, match='no run is named'):
        trained.load_all([])
    shutil.copy(run / 'config.json', tmp_path)
    with pytest.raises(workfolder.WorkFolderError, match='no latest check'):
        trained.load(tmp_path)
    with pytest.raises(workfolder.WorkFolderError, match='no best checkp'):
        trained.load(tmp_path, best=True)


def test_data_without_factors_are_refused(run, monkeypatch):
    plain = FactorDataset('plain', cases.blobs().images)
    monkeypatch.setattr(trained.sources, 'load', lambda *_, **__: plain)
    with pytest.raises(sources.DataError, match='no factors'):
        shifts.load([run])
    assert len(trained.load_all([run])) == 1  # others need none
