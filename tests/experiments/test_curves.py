"""Scores of a study's runs on their way."""

import json

import pytest

from experiments.study import curves
from tests.helpers import commands
from topdis_jax.training import workfolder


def _run(*points):
    return {'measures': {}, 'curve': [
        [step, {'mig': mig, 'reconstruction': nats}]
        for step, mig, nats in points]}


@pytest.fixture
def results():
    one = {'arms': {'off': {'0': _run((10, 0.1, 30.0), (20, 0.25, 21.5))}}}
    two = {'arms': {'off': {'3': _run((10, 0.5, 99.0))},
                    'on': {'3': _run((10, 0.75, 98.0))}}}
    two['arms']['on']['3']['curve'][0][1]['minutes'] = 4.0
    return {'floors': {'a': 20.0}, 'runs': {'a': {'vae+x': one},
                                            'b': {'vae': two}}}


def test_a_row_for_each_run_and_step(results):
    rows = [[cell.strip() for cell in line.split('|')[1:-1]]
            for line in curves.table(results).splitlines()]
    assert rows[0] == ['run', 'seed', 'step', 'MIG', 'reconstruction (nats)',
                       'above the floor']
    assert rows[2:] == [['vae+x', '0', '10', '0.100', '30.0', '10.0'],
                        ['vae+x', '0', '20', '0.250', '21.5', '1.5'],
                        ['vae, off', '3', '10', '0.500', '99.0', '-'],
                        ['vae, on', '3', '10', '0.750', '98.0', '-']]


def test_steps_are_picked(results):
    assert len(curves.table(results, [20]).splitlines()) == 3
    with pytest.raises(workfolder.WorkFolderError, match='at the steps 7'):
        curves.table(results, [7])


def test_the_command(results, tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(results))
    done = commands.run('experiments.study.curves', '--steps=10',
                        f'--results={path}')
    assert done.stdout == curves.table(results, [10]) + '\n', done.stderr
