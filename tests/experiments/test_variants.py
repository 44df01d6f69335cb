"""Settings of a study beside one of them."""

import json

import pytest

from experiments.study import variants
from tests.helpers import commands
from tests.helpers.places import ROOT
from topdis_jax.training import workfolder


def _runs(values):
    """A variant's runs, of (MIG, reconstruction) by seed."""
    return {'arms': {'on': {str(seed): {'measures': {
        'mig': mig, 'reconstruction': nats, 'minutes': 2.0}}
        for seed, (mig, nats) in values.items()}}}


@pytest.fixture
def results():
    return {'floors': {'sprites_small': 10.0}, 'runs': {'sprites_small': {
        'vae+a_none': _runs({0: (0.1, 30.0), 1: (0.2, 20.0), 2: (9.0, 9.0)}),
        'vae+a_rtd_lite': _runs({0: (0.2, 31.0), 1: (0.5, 20.5)}),
        'vae+a_srtd': _runs({}),
        'dava+b_none': _runs({0: (0.3, 30.0)}),
        'dava+b_rtd_lite': _runs({0: (0.2, 34.0)}),
        'dava+c_alone': _runs({0: (5.0, 5.0)})}}}


def test_differences_of_the_seeds_that_both_have(results):
    first, second = variants.tables(results, 'none').split('\n\n')
    rows = [[cell.strip() for cell in line.split('|')[1:-1]]
            for line in first.splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        ['vae+a', 'none', '3'], ['vae+a', 'rtd_lite', '2'],
        ['dava+b', 'none', '1'], ['dava+b', 'rtd_lite', '1']]
    # 0.1 and 0.3: half of the interval is t(0.975, 1) = 12.706 times 0.1.
    assert rows[1][3] == '0.350, +0.200 [-1.071, +1.471]'
    # 1 of 20 and 0.5 of 10 nats above the floor.
    assert rows[1][-1] == '+5.0 [+5.0, +5.0]%'
    assert rows[3][3] == '0.200, -0.100'
    assert rows[3][-1] == '+20.0%'
    pooled = [cell.strip() for cell in second.splitlines()[2].split('|')[1:-1]]
    # Of the 8 signs of 0.1, 0.3 and -0.1, 6 give a sum as far from 0.
    assert pooled[:3] == ['rtd_lite', '3', '+0.100, 2 rise, p 0.75']
    assert pooled[3:6] == ['-'] * 3  # scores that these runs do not have
    assert pooled[6].startswith('+1.8, 3 rise, p 0.25')


def test_a_reference_that_is_not_there(results):
    with pytest.raises(workfolder.WorkFolderError,
                       match='ends in _nothing; the variants are dava'):
        variants.tables(results, 'nothing')


def test_the_command(tmp_path, results):
    path = tmp_path / 'results.json'
    command = ['experiments.study.variants', f'--results={path}',
               '--reference=none']
    done = commands.run(*command)
    assert done.returncode == 1 and 'is not there' in done.stderr
    path.write_text(json.dumps(results))
    done = commands.run(*command)
    assert done.stdout == variants.tables(results, 'none') + '\n', done.stderr


def test_the_tables_of_the_docs_are_those_of_their_numbers():
    folder = ROOT / 'docs' / 'results'
    results = json.loads((folder / 'divergences/results.json').read_text())
    page = (folder / 'divergences.md').read_text().splitlines()
    assert set(variants.tables(results, 'none').splitlines()) <= set(page)
