"""The tables of all results: of a small results.json, and of those in docs/."""

import json

import numpy as np
import pytest
from scipy import stats

from experiments.configs import base
from experiments.study import cells, floors, grid, index, summary
from tests.helpers.places import ROOT
from topdis_jax.data.errors import DataError
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import workfolder

DOCS = ROOT / 'docs' / 'results'
# Off and on, of three seeds.
MIG = {'off': (0.1, 0.2, 0.1), 'on': (0.3, 0.5, 0.2)}
NATS = {'off': (4.0, 5.0, 3.0), 'on': (4.5, 5.5, 3.5)}
# Of 51 / 255 = 0.2 the entropy is that of a coin of odds 1 to 4.
COIN = stats.bernoulli(0.2).entropy()


@pytest.fixture(autouse=True)
def two_images(monkeypatch):
    """Stands for a data set: of its pixels four are coins, in one image."""
    images = np.zeros((2, 1, 4, 1), np.uint8)
    images[0, 0] = 51
    images[1, 0, 0] = 255

    def load(name, *, download, **_):
        assert not download
        if name != 'sprites_small':
            raise DataError('not here')
        return FactorDataset(name, images)

    monkeypatch.setattr(floors.sources, 'load', load)


def _results(sign=1):
    """A results.json of beta_vae and vae, without any statistics."""
    runs = {}
    for family, size in (('beta_vae', sign), ('vae', 0.5)):
        arms = {arm: {str(seed): {'measures': {
            'mig': size * MIG[arm][place], 'factor_vae': 0.5, 'sap': 0.5,
            'dci_2000': 0.5, 'reconstruction': NATS[arm][place]}, 'curve': []}
            for place, seed in enumerate((10, 11, 12))} for arm in MIG}
        runs[family] = {'config': json.loads(
            base.get_config(family).to_json()), 'arms': arms}
    return {'runs': {'sprites_small': runs}, 'unfinished': []}


def test_floors_and_intervals_come_from_the_runs():
    found = index.compared(_results())
    assert found['floors'] == {'sprites_small': pytest.approx(2 * COIN)}
    measures = found['data']['sprites_small']['beta_vae']['measures']
    _check(measures['mig']['difference'], [0.2, 0.3, 0.1])
    _check(measures['reconstruction']['difference'], [0.5, 0.5, 0.5])
    _check(measures['reconstruction']['above_floor'], [
        50 / (off - 2 * COIN) for off in NATS['off']])


def _check(found, changes):
    low, high = stats.t.interval(
        0.95, len(changes) - 1, np.mean(changes),
        max(stats.sem(changes), 1e-12))
    assert found == {
        'mean': pytest.approx(np.mean(changes)), 'low': pytest.approx(low),
        'high': pytest.approx(high), 'rises': len(changes),
        'sign_flip': 0.25}  # 2 of 8 choices of signs


def test_floors_are_kept_until_new_ones_are_asked_for():
    results = _results() | {'floors': {'sprites_small': 1.0}}
    assert index.compared(results)['floors'] == {'sprites_small': 1.0}
    assert index.compared(results, new_floors=True)['floors'] == {
        'sprites_small': pytest.approx(2 * COIN)}


def test_a_data_set_that_is_not_here_has_no_floor():
    results = _results()
    results['runs'] = {'mpi3d': results['runs']['sprites_small']}
    found = index.compared(results)
    assert found['floors'] == {}
    assert 'above_floor' not in found['data']['mpi3d']['vae']['measures'][
        'reconstruction']


def test_the_page_of_a_small_study(tmp_path, monkeypatch):
    monkeypatch.setattr(index, 'STUDIES', {'families': 'no'})
    monkeypatch.setattr(index, '_REMARKS', {('families', 'vae'): 'a remark'})
    (tmp_path / 'families').mkdir()
    with open(tmp_path / 'families' / 'results.json', 'w') as file:
        json.dump(index.compared(_results()), file)
    page = ('a\n<!-- settings: begin -->\nold\n<!-- settings: end -->\nb\n'
            '<!-- summary: begin -->\n<!-- summary: end -->\nc\n')
    text = index.with_tables(page, tmp_path)
    assert index.with_tables(text, tmp_path) == text
    assert 'old' not in text and text.startswith('a\n') and text[-2:] == 'c\n'
    assert '| 0.133 → 0.333<br>[-0.048, +0.448]<br>3 of 3, p 0.25 |' in text
    # Of 3, 4 and 2 nats above the floor of 1: 16.7, 12.5 and 25 %.
    assert '| +0.5<br>[+0.5, +0.5] | +18.1%<br>' in text
    # p of the t-test, 0.0742, and of the signs, 0.25, for two families.
    assert '| sprites | beta-VAE | +0.200 [-0.048, +0.448]<br>3 of 3<br>' \
        'p 0.15, 0.5 |' in text
    assert '| sprites | **all** | +0.150 [+0.056, +0.244]<br>6 of 6<br>' \
        'p 0.0093, 0.031 |' in text
    assert '| sprites | **all, by seed** |' in text
    assert ('here 0.25 for\n3 seeds, which becomes 0.5 when corrected for 2 '
            'families.\n') in text
    assert '<br>a remark | 3 | 0.067 → 0.167<br>' in text
    assert text.count('a remark') == 1


def _variant(family, *changes, seeds=('10', '11')):
    """A compared variant whose MIG without the loss is 0."""
    values = dict(zip(seeds, changes))
    return family, {'seeds': list(values), 'measures': {'mig': {
        'off': {'values': dict.fromkeys(values, 0.0)},
        'on': {'values': values}, 'difference': {}}}}


def test_a_family_and_seed_count_as_one_value():
    found = summary.summarize(
        [_variant('vae', 1.0, 2.0), _variant('vae', 3.0, -2.0),
         _variant('dava', 5.0, 6.0)], ('mig', 'sap'))
    assert list(found) == ['mig']
    found = found['mig']
    vae, dava = found['families'].values()
    assert (vae['mean'], vae['pairs'], vae['rises'], vae['values']) == (
        1, 4, 3, 2)  # of 2 and 0
    assert (found['all']['mean'], found['all']['values']) == (3.25, 4)
    assert found['all']['sign_flip'] == 0.25  # 0 has either sign
    assert found['all']['t_test'] == pytest.approx(
        stats.ttest_1samp([2, 0, 5, 6], 0).pvalue)
    assert found['seeds']['t_test'] == pytest.approx(
        stats.ttest_1samp([3.5, 3], 0).pvalue)
    # Holm, of two families.
    alone = [stats.ttest_1samp(values, 0).pvalue
             for values in ((2, 0), (5, 6))]
    assert dava['t_test'] == pytest.approx(2 * alone[1])
    assert vae['t_test'] == pytest.approx(max(2 * alone[1], alone[0]))
    assert vae['sign_flip'] == dava['sign_flip'] == 1


def test_the_least_p_is_at_most_1():
    found = summary.summarize([_variant('vae', 1.0, 2.0),
                               _variant('dava', 5.0, 6.0),
                               _variant('beta_vae', 1.0, 3.0)], ('mig',))
    assert '2 seeds, which becomes 1 when corrected for 3 families' in (
        summary.note(found))


def test_p_values_in_two_digits():
    assert [cells.p_value(p) for p in (0.0625, 0.00025, 2e-8, 0.0, 1.0)] == [
        '0.062', '0.00025', '2e-08', '0', '1']


def test_a_single_pair_has_no_test():
    found = summary.summarize([_variant('vae', 1.0)], ('mig',))
    assert summary.rows(found) == [['vae', '+1.000<br>1 of 1']]


@pytest.mark.skipif(not DOCS.exists(), reason='needs docs/')
class TestOfDocs:

    def test_the_page_has_the_tables_of_the_files(self):
        page = (DOCS / 'index.md').read_text()
        assert index.with_tables(page, DOCS) == page

    @pytest.mark.parametrize('study', [*index.STUDIES, 'sensitivity'])
    def test_statistics_are_those_of_the_runs(self, study):
        stored = grid.read(DOCS / study, 'results.json')
        found = workfolder.flatten(index.compared(stored)['data'])
        stored = workfolder.flatten(stored['data'])
        assert found.keys() == stored.keys()
        for name, value in found.items():
            assert value == (pytest.approx(stored[name]) if isinstance(
                value, float) else stored[name]), name


def test_the_floor_of_a_reconstruction():
    # A black and a white pixel are certain.
    images = np.array([[[[0], [255], [51]]], [[[0], [0], [0]]]], np.uint8)
    np.testing.assert_allclose(floors.floor(images), COIN / 2, rtol=1e-12)
