"""The report: tables and pictures against their runs."""

import json

from PIL import Image
import pytest

from experiments.study import grid
from experiments.study import report_pictures, report_results, report_text
from tests.helpers import study_cases as cases
from topdis_jax.training import workfolder


@pytest.fixture(autouse=True)
def floor(monkeypatch):
    """No images are rendered; every data set has a floor of 20 nats."""
    monkeypatch.setattr(report_results.floors, 'of_config', lambda _: 20.0)


def _run(**measures):
    return {'measures': measures, 'curve': []}


def test_pairs_remove_what_seeds_share():
    arms = {arm: {str(seed): _run(mig=seed + shift) for seed in (1, 2, 3)}
            for arm, shift in (('off', 0), ('on', 0.5))}
    found = report_results.compare(arms)
    mig = found['measures']['mig']
    assert found['seeds'] == ['1', '2', '3']
    assert (mig['off']['mean'], mig['on']['mean']) == (2.0, 2.5)
    assert mig['on']['deviation'] == pytest.approx(1.0)
    assert mig['difference'] == {
        'mean': 0.5, 'low': 0.5, 'high': 0.5, 'rises': 3, 'sign_flip': 0.25}


def test_the_price_is_a_share_of_what_is_above_the_floor():
    arms = {'off': {'1': _run(reconstruction=24.0),
                    '2': _run(reconstruction=30.0)},
            'on': {'1': _run(reconstruction=25.0),
                   '2': _run(reconstruction=30.0)}}
    found = report_results.compare(arms, floor=20.0)['measures']
    assert found['reconstruction']['above_floor']['mean'] == 12.5  # 25 and 0
    found = report_results.compare(arms)['measures']['reconstruction']
    assert found['difference']['mean'] == 0.5 and 'above_floor' not in found


def test_only_whole_pairs_count():
    arms = {'off': {'1': _run(mig=0.2), '2': _run(mig=0.9)},
            'on': {'1': _run(mig=0.3)}}
    found = report_results.compare(arms)
    assert found['seeds'] == ['1']
    assert found['measures']['mig']['off'] == {
        'mean': 0.2, 'deviation': None, 'values': {'1': 0.2}}
    assert report_results.compare({'off': {}, 'on': {}}) == {
        'seeds': [], 'measures': {}}


@pytest.fixture
def study_folder(tmp_path):
    """beta_vae: both seeds; beta_tcvae: one pair, a failure and a gap."""
    config, folder = cases.config(), tmp_path / 'study'
    grid.prepare(config, folder)
    for cell in grid.cells(config):
        rise = 0.1 * (cell.topdis == 'on')
        if cell.variant == 'beta_vae' or cell.seed == 10:
            cases.finish(folder, cell, 0.01 * cell.seed + rise, 30 + rise)
    failed = grid.Cell('sprites_small', 'beta_tcvae', 'off', 11)
    cases.write_run(failed.folder(folder), {'mig': 0.9}, step=6)
    grid.write_state(failed.folder(folder), 'failed', 1.0, 'Error: a | b')
    return folder


def test_the_report_of_an_unfinished_study(study_folder, tmp_path):
    out = tmp_path / 'results' / 'name'
    out.mkdir(parents=True)
    (out / 'notes.md').write_text('by hand')
    report_results.write(study_folder, out)
    assert (out / 'notes.md').read_text() == 'by hand'
    results = json.loads((out / 'results.json').read_text(),
                         parse_constant=pytest.fail)  # no NaN
    families = results['data']['sprites_small']
    assert families['beta_vae']['seeds'] == ['10', '11']
    assert families['beta_tcvae']['seeds'] == ['10']
    mig = families['beta_vae']['measures']['mig']
    assert mig['difference']['mean'] == pytest.approx(0.1)
    assert [cell['cell'] for cell in results['unfinished']] == [
        'sprites_small/beta_tcvae/off/11', 'sprites_small/beta_tcvae/on/11']
    text = (out / 'README.md').read_text()
    assert '| beta_vae | on | 2 | **0.205 ± 0.007** |' in text
    assert '| beta_vae | +0.100 [+0.100, +0.100], 2 of 2, p 0.5 |' in text
    # Reconstruction 0.1 more, of 10 above the floor.
    assert 'The floor, 20.00 nats,' in text
    assert ('| +0.1 [+0.1, +0.1], 2 of 2, p 0.5 '
            '| +1.0 [+1.0, +1.0], 2 of 2, p 0.5 |\n') in text
    assert '| beta_tcvae | +0.100, 1 of 1 |' in text
    assert '| **all** | +0.100 [+0.100, +0.100]<br>3 of 3<br>p ' in text
    assert '| beta_tcvae | off | 1 | 0.100 |' in text
    assert '**30.0 ± 0.0** | 1.5 ± 0.0 |' in text  # off: less is better
    assert 'beta_tcvae/off/11: failed (`Error: a | b`)' in text
    assert 'beta_tcvae/on/11: missing' in text
    assert 'Seeds: 1 to 2, which is few' in text and 'below 0.5.' in text
    assert results['floors'] == {'sprites_small': 20.0}
    assert ('* beta_vae: objective.beta 4\n'
            '* beta_tcvae: objective.beta 6\n') in text
    assert 'dci_2000_x' not in text and '(notes.md)' in text
    for line in text.splitlines():
        if line.startswith('!['):
            assert (out / line.split('(')[-1].rstrip(')')).exists(), line
    assert len(list(out.iterdir())) == 6


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(workfolder.WorkFolderError, match='no study'):
        report_results.write(tmp_path, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_study_of_one_arm(tmp_path):
    config = cases.config(topdis=('off',), variants=('vae',))
    grid.prepare(config, tmp_path)
    for cell in grid.cells(config):
        cases.finish(tmp_path, cell, 0.1)
    results = report_results.write(tmp_path, tmp_path / 'out')
    text = (tmp_path / 'out' / 'README.md').read_text()
    assert '| vae | off | 2 | 0.100 ± 0.000 |' in text
    assert 'difference' not in text and results['unfinished'] == []


def test_variants_are_told_by_what_most_have_not(tmp_path):
    names = ('vae', 'vae+a', 'vae+b', 'beta_vae', 'factor_vae')
    config = cases.config(topdis=('on',), variants=names)
    config.run.data.correlation = (('scale', 'x', 0.2),)
    config.overrides['vae+a'] = {'topdis': {'weight': 20.0, 'forms': ('min',)}}
    config.overrides['vae+b'] = {'topdis': {'sample': False}}
    grid.prepare(config, tmp_path)
    for cell in grid.cells(config):
        cases.finish(tmp_path, cell, 0.1)
    report_results.write(tmp_path, tmp_path / 'out')
    text = (tmp_path / 'out' / 'README.md').read_text()
    assert 'TopDis: weight 5 from' in text and '| variant | TopDis |' in text
    assert 'scale and x go together (sigma 0.2)' in text
    assert ('* vae+a: topdis.weight 20, topdis.forms (min)\n'
            '* vae+b: topdis.sample False\n'
            '* beta_vae: objective.beta 4\n'
            '* factor_vae: objective.gamma 40\n\n') in text


def test_the_median_run():
    measure = {'off': {'values': {'1': 0.5, '2': 0.1, '3': 0.3, '4': 0.2}}}
    assert report_pictures.median_seed(measure, 'off') == '4'
    del measure['off']['values']['4']
    assert report_pictures.median_seed(measure, 'off') == '3'


def test_score_curves_where_runs_have_them(study_folder, tmp_path):
    path, folder = tmp_path / 'c.png', grid.Cell(
        'sprites_small', 'beta_vae', 'on', 11).folder(study_folder)
    assert not _draw_curves(path, study_folder)
    with open(f'{folder}/metrics.jsonl', 'w') as file:
        file.write('{"step": 1, "loss": 3.0}\n'
                   '{"step": 3, "scores": {"mig": 0.1, "dci_2000": 0.2}}\n')
    assert _draw_curves(path, study_folder)
    assert Image.open(path).width > 200


def _draw_curves(path, study_folder):
    results = report_results.collect(study_folder)
    family = results['data']['sprites_small']['beta_vae']
    runs = results['runs']['sprites_small']['beta_vae']['arms']
    return report_pictures.score_curves(
        path, {'beta_vae': family}, {'beta_vae': runs})


@pytest.mark.parametrize('arms', [['on'], ['off', 'on']])
def test_a_legend_names_what_there_is(arms, study_folder, monkeypatch):
    family = report_results.collect(
        study_folder)['data']['sprites_small']['beta_vae']
    measures = {name: {arm: measure[arm] for arm in arms}
                for name, measure in family['measures'].items()}
    drawn = []
    monkeypatch.setattr(report_pictures.plots, 'save',
                        lambda figure, path: drawn.append(figure))
    report_pictures.paired_dots('', {'a': family | {'measures': measures}})
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == [
        f'TopDis {arm}' for arm in arms]


def test_runs_of_an_earlier_report_stay_in_it(study_folder, tmp_path):
    out, other = tmp_path / 'out', tmp_path / 'other'
    before = report_results.write(study_folder, out)
    config = cases.config(variants=('beta_vae',), seeds=(12,))
    grid.prepare(config, other)
    for cell in grid.cells(config):
        cases.finish(other, cell, 0.5)
    after = report_results.write(other, out)
    families = after['data']['sprites_small']
    assert after['unfinished'] == before['unfinished'] != []
    assert families['beta_vae']['seeds'] == ['10', '11', '12']
    assert families['beta_tcvae'] == before['data']['sprites_small'][
        'beta_tcvae']
    config.run.topdis.weight = 9.0
    grid.prepare(config, tmp_path / 'third')
    with pytest.raises(workfolder.WorkFolderError, match='topdis.weight'):
        report_results.write(tmp_path / 'third', out)
    assert json.loads((out / 'results.json').read_text()) == after


def test_runs_of_two_lengths_are_not_mixed(study_folder, tmp_path):
    out = tmp_path / 'out'
    before = report_results.write(study_folder, out)
    config = cases.config()
    config.run.train.steps = 70
    grid.prepare(config, study_folder)
    cell = grid.Cell('sprites_small', 'beta_vae', 'on', 10)
    cases.write_run(cell.folder(study_folder), {'mig': 0.8}, step=70)
    with pytest.raises(workfolder.WorkFolderError,
                       match='train.steps: 7 there, 70 now'):
        report_results.write(study_folder, out)
    assert json.loads((out / 'results.json').read_text()) == before
    # Of the longer training one run is there, and no pair.
    results = report_results.write(study_folder, tmp_path / 'other')
    assert results['data']['sprites_small']['beta_vae']['seeds'] == []
    states = {cell['cell']: cell['state'] for cell in results['unfinished']}
    assert len(states) == 7
    assert states['sprites_small/beta_vae/off/10'] == 'scored at another step'


def test_traversals_stand_side_by_side(study_folder, tmp_path):
    results = report_results.collect(study_folder)
    path = tmp_path / 't.png'
    assert report_pictures.median_traversals(
        path, study_folder, 'sprites_small', 'beta_vae',
        results['data']['sprites_small']['beta_vae'])
    picture = Image.open(path)
    assert picture.width == 120 and picture.height > 40


def test_names_of_scores():
    assert report_text.label('dci_2000') == 'DCI (2000 points)'
    assert report_text.label('new_score') == 'new score'


def test_of_several_results_the_main_one_is_shown():
    measures = ('mig', 'infomec_modularity', 'infomec_explicitness', 'minutes')
    family = {'config': {'eval': {'scores': ['infomec', 'mig']}},
              'measures': dict.fromkeys(measures)}
    assert report_text.shown(family) == ['infomec_modularity', 'mig',
                                         'minutes']
    assert report_text.label('infomec_modularity') == 'InfoMEC modularity'
