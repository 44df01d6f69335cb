"""Directions of the runs of a study; the processes are small scripts."""

import json
import os
import subprocess

import numpy as np
import pytest
from scipy import stats

from experiments import directions
from experiments.study import directions as study
from experiments.study import directions_results, grid, runner
from tests.helpers import commands, study_cases as cases
from tests.helpers.places import ROOT
from topdis_jax.data.factors import FactorDataset

# Stands for experiments.run and for experiments.directions.
PROCESS = '''
import json, os, sys
module, *arguments = sys.argv[1:]
options = dict(x[2:].split('=', 1) for x in arguments)
folder = options['workdir']
if module == 'experiments.run':
    name, value = 'scores.json', {{'settings': {{'step': 7}}}}
else:
    assert os.path.exists(os.path.join(folder, 'scores.json'))
    if {fails} in folder:
        sys.exit('Error: nothing changes the images')
    def of(mig, *divergence):
        return {{'axes': [[1, 0], [0, 1]], 'mig': mig,
                 'divergence': divergence, 'length': [1, 1]}}
    seed = int(options['seed'])
    value = {{'options': {{
        'num_directions': None, 'steps': int(options['steps']), 'seed': seed,
        'rotations': int(options['rotations'])}},
        'found': of(0.3, 1, 2), 'principal components': of(0.1, 3, 4),
        'random 0': of(0.2, 1.5, 2.5), 'random 1': of(seed / 50, 2, 4),
        'latents': {{'mig': 0.35}}}}
    name = 'directions.json'
with open(os.path.join(folder, name), 'w') as file:
    json.dump(value, file)
'''


@pytest.fixture
def stub(monkeypatch):
    """Puts a script in the place of each process; returns their calls."""
    calls = []
    start = subprocess.Popen

    def install(fails="'nowhere'"):
        def popen(command, **options):
            calls.append(command[2:])
            return start([command[0], '-c', PROCESS.format(fails=fails),
                          command[2], *command[-4:]], **options)

        monkeypatch.setattr(runner.subprocess, 'Popen', popen)
        monkeypatch.setattr(runner.sources, 'load', lambda name, **_: (
            FactorDataset(name, np.zeros((6, 32, 32, 1), np.uint8),
                          ('scale', 'x'), (2, 3))))
        return calls

    return install


def _config(**changes):
    return cases.config(**{'topdis': ('off',)} | changes)


def _run(workdir, config=None, **options):
    return study.run(config or _config(), str(workdir), jobs=2,
                     **{'rotations': 2} | options)


def test_each_run_is_trained_then_searched_once(tmp_path, stub, capsys):
    calls = stub()
    assert _run(tmp_path) == []
    folders = [call[-1] for call in calls]
    assert len(folders) == 2 * len(set(folders)) == 8
    results = json.loads((tmp_path / 'directions.json').read_text())
    assert [(run['family'], run['seed']) for run in results] == [
        ('beta_vae', 10), ('beta_tcvae', 10), ('beta_vae', 11),
        ('beta_tcvae', 11)]
    assert directions_results.tables(results) in capsys.readouterr().out
    state = grid.read(grid.cells(_config())[0].folder(tmp_path), 'cell.json')
    assert state['state'] == 'finished'
    # Nothing is left; with more seeds those alone; with other options the
    # search alone.
    assert _run(tmp_path) == [] and len(calls) == 8
    assert _run(tmp_path, _config(seeds=(12,))) == [] and len(calls) == 12
    results = json.loads((tmp_path / 'directions.json').read_text())
    assert len(results) == 6
    assert _run(tmp_path, steps=9) == []
    assert [call[0] for call in calls[12:]] == ['experiments.directions'] * 4
    assert '--steps=9' in calls[-1]


def test_a_search_that_fails_is_told_and_tried_again(tmp_path, stub, capsys):
    calls = stub(fails="'beta_tcvae/off/10'")
    [(cell, message)] = _run(tmp_path)
    assert str(cell) == 'sprites_small/beta_tcvae/off/10'
    assert message == 'Error: nothing changes the images'
    assert grid.read(cell.folder(tmp_path), 'cell.json')['state'] == 'failed'
    assert '| beta_tcvae | 1 |' in capsys.readouterr().out
    count = len(calls)
    stub()
    assert _run(tmp_path) == []
    assert len(calls) == count + 1  # its training is there
    assert grid.read(cell.folder(tmp_path), 'cell.json')['state'] == 'finished'


def test_what_is_finished_is_shown_after_an_interrupt(tmp_path, stub,
                                                      monkeypatch, capsys):
    stub()
    _run(tmp_path)
    capsys.readouterr()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, 'run', interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path)
    assert '| beta_vae | 2 |' in capsys.readouterr().out


def _measured(found, components, *random):
    """A directions.json: each (MIG, divergence of two axes)."""
    kinds = {'found': found, 'principal components': components,
             **{f'random {i}': x for i, x in enumerate(random)}}
    return {'options': {}, 'latents': {'mig': 0.5}, **{
        kind: {'axes': [[1, 0], [0, 1]], 'mig': mig, 'divergence': values,
               'length': [1, 1.5]}
        for kind, (mig, *values) in kinds.items()}}


def test_numbers_of_a_run():
    cell = grid.Cell('sprites_small', 'beta_vae', 'off', 3)
    random = [(0.1, 5, 1), (0.2, 4, 0.4), (0.15, 1, 0.5), (0.3, 9, 7)]
    run = directions_results.describe(
        cell, _measured((0.4, 1, 2), (0.1, 2, 4), *random))
    assert run['MIG'] == {'found': 0.4, 'components': 0.1, 'latents': 0.5,
                          'random': [0.1, 0.2, 0.15, 0.3]}
    assert run['mean divergence'] == {'found': 1.5, 'components': 3.0,
                                      'random': [3.0, 2.2, 0.75, 8.0]}
    assert run['least divergence']['random'] == [1.0, 0.4, 0.5, 7.0]
    assert run['mean shift']['found'] == 1.25
    assert run['axes'] == 2 and run['seed'] == 3
    expected = stats.spearmanr([0.1, 0.2, 0.15, 0.3], [3, 2.2, 0.75, 8])[0]
    assert run['spearman']['mean divergence'] == pytest.approx(expected)


def test_tables():
    cell = grid.Cell('sprites_small', 'beta_vae', 'off', 3)
    runs = [directions_results.describe(cell, _measured(*values)) for values in
            ([(0.4, 2, 2), (0.1, 3, 5), (0.2, 1, 2), (0.3, 2, 4)],
             [(0.2, 1, 1), (0.3, 1, 1), (0.1, 2, 2), (0.3, 2, 2)])]
    text = directions_results.tables(runs)
    assert ('| MIG | beta_vae | 2 | 0.500 | 0.200 | 0.225, 0.100 to 0.300 | '
            '0.300 | 1 of 2 | 1 2 | 1 of 2 | 0 of 2 |') in text
    # Smaller is better, and a tie is not.
    assert ('| mean divergence | beta_vae | 2 | - | 2.500 | '
            '2.125, 1.500 to 3.000 | 1.500 | 1 of 2 | 2 1 | 1 of 2 | - |'
            ) in text
    assert '| beta_vae | 3 3 | +1.00 - | +1.00 - | - - |' in text


def test_a_single_axis_is_named_alone():
    cell = grid.Cell('sprites_small', 'beta_vae', 'on', 3)
    measured = _measured((0.4, 1), (0.4, 1), (0.4, 1), (0.4, 1))
    measured['found']['axes'] = [[1, 0]]
    text = directions_results.tables(
        [directions_results.describe(cell, measured)])
    assert 'Fewer than two axes: beta_vae, TopDis, seed 3.' in text


def test_random_axes_are_orthonormal_and_differ():
    axes = np.eye(3, 5)
    sets = [directions.rotated(axes, (0, i)) for i in range(2)]
    for found in sets:
        np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
        np.testing.assert_array_equal(found[:, 3:], 0)
    assert not np.allclose(*sets)


def test_a_single_axis_has_a_mig():
    rng = np.random.default_rng(0)
    factors = rng.integers(3, size=(500, 2))
    generator = directions.Generator(
        None, factors + 0.01 * rng.normal(size=(500, 2)), factors, ('a', 'b'))
    known = directions.knowledge(generator, np.eye(2)[:1])
    # All of a and, but for chance, nothing of b.
    assert known['mig'] == pytest.approx(0.5, abs=0.05)


def test_the_table_of_the_docs_is_that_of_its_numbers():
    path = ROOT / 'docs' / 'results' / 'directions.json'
    text = directions_results.tables(json.loads(path.read_text()))
    for line in text.splitlines():
        assert line in (ROOT / 'docs' / 'directions.md').read_text()


def test_a_bad_flag_gets_one_message(tmp_path):
    done = commands.run(
        'experiments.study.directions', '--rotations=1',
        '--config=experiments/configs/study.py:directions',
        f'--workdir={tmp_path}/s')
    assert done.returncode != 0 and 'Traceback' not in done.stderr
    assert 'rotations' in done.stdout + done.stderr
    assert not os.path.exists(tmp_path / 's')
