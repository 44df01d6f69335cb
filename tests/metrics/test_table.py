"""The table of scores: every score is in it, and all else reads it."""

import numpy as np
import pytest

from tests.helpers.places import ROOT
from topdis_jax import metrics
from topdis_jax.metrics import evaluate, samples, table


@pytest.fixture
def small(monkeypatch):
    """Samples of a code that is two factors and noise, 300 and 100 rows."""
    monkeypatch.setattr(samples, 'NUM_TRAIN', 300)
    monkeypatch.setattr(samples, 'NUM_TEST', 100)

    def represent(factors):
        noise = np.sin(1e4 * factors @ [1.0, 0.37])
        return np.column_stack([factors, noise])

    return samples.Samples(represent, (3, 4), seed=0, progress=False)


# Of one model; UDR compares several.
PUBLIC = {getattr(metrics, name) for name in metrics.__all__
          if not isinstance(getattr(metrics, name), type)} - {metrics.udr}


def test_every_public_score_has_a_row():
    assert PUBLIC <= {score.function for score in table.SCORES.values()}


def test_names_labels_and_settings_are_told_apart():
    scores = table.SCORES.values()
    assert [score.name for score in scores] == list(table.SCORES)
    assert len({score.label for score in scores}) == len(scores)
    names = [name for score in scores for name in score.settings]
    assert len(set(names)) == len(names)
    assert not set(names) & {'step', 'seed', 'num_train', 'num_test'}
    assert set(names) < set(evaluate.settings(seed=0, step=1))


@pytest.mark.parametrize('score', [
    score for score in table.SCORES.values()
    if score.function not in (metrics.beta_vae, metrics.factor_vae)],
    ids=lambda score: score.name)
def test_a_row_gives_what_its_function_gives(score, small):
    arguments = getattr(small, score.needs)
    want = score.function(*arguments, **score.options)
    found = score.compute(small)
    if score.function is metrics.dci:
        want = {'': want.disentanglement, '_completeness': want.completeness,
                '_informativeness': want.informativeness_test}
    elif score.function is metrics.infomec:
        want = {f'_{field}': value for field, value in want._asdict().items()}
    else:
        want = {'': want}
    assert found == {score.name + end: value for end, value in want.items()}
    assert score.main in found


@pytest.mark.parametrize('score', table.SCORES.values(),
                         ids=lambda score: score.name)
@pytest.mark.parametrize('sizes,latents', [
    ((3, 4), 1), ((6,), 2), ((3, 1), 2)])
def test_scores_that_cannot_be_are_known_beforehand(
        monkeypatch, score, sizes, latents):
    rng = np.random.default_rng(0)

    def represent(factors):
        return rng.normal(size=(len(factors), latents)).astype(np.float32)

    def told(function):
        try:
            function()
        except ValueError as error:
            assert score.name.split('_')[0] in str(error)
            return True
        return False

    beforehand = told(lambda: evaluate.check_possible(
        [score.name], sizes, latents))
    if beforehand or score.function not in (metrics.factor_vae,
                                            metrics.beta_vae):
        monkeypatch.setattr(samples, 'NUM_TRAIN', 300)
        monkeypatch.setattr(samples, 'NUM_TEST', 100)
        few = samples.Samples(represent, sizes, seed=0, progress=False)
        assert told(lambda: score.compute(few)) == beforehand


def test_main_results():
    assert table.main_results(['mig', 'dci', 'infomec', 'of_old']) == [
        'mig', 'dci', 'infomec_modularity', 'of_old']


def test_fewer_training_rows(small):
    score = table.SCORES['dci']._replace(train_rows=50)
    codes, factors, *test = small.train_and_test
    want = metrics.dci(codes[:50], factors[:50], *test)
    assert score.compute(small)['dci'] == want.disentanglement


def test_the_seed_is_passed_on_to_scores_that_sample(small):
    row = table.Score('mine', 'mine', lambda codes, factors, *, seed: seed,
                      'train')
    small.options = {'seed': 7, 'progress': False}
    assert row.compute(small) == {'mine': 7}


def test_the_page_of_the_scores_names_all_public_ones():
    page = ROOT / 'docs' / 'scores.md'
    if not page.exists():
        pytest.skip('needs a checkout')
    text = page.read_text()
    missing = [name for name, score in table.SCORES.items()
               if score.function in PUBLIC and f'`{name}`' not in text]
    assert not missing and '`udr`' in text
