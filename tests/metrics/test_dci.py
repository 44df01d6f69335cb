"""DCI against the reference's values, its laws, its messages."""

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics
from topdis_jax.metrics.dci import completeness, disentanglement


@pytest.mark.parametrize('name', ['diag5', 'one_row_zero', 'random_6x4',
                                  'zeros_10x10'])
def test_of_a_matrix(name):
    want = golden_metrics.matrices()[name]
    importance = np.array(want['matrix'])
    assert disentanglement(importance) == pytest.approx(
        want['disentanglement'], abs=1e-10)
    assert completeness(importance) == pytest.approx(
        want['completeness'], abs=1e-10)


@pytest.mark.parametrize('name', ['linear_mix', 'noisy'])
def test_of_the_reference_importances(name):
    want = golden_metrics.case(name).want['dci_full']['seed0']
    importance = np.array(want['importance_matrix'])
    assert disentanglement(importance) == pytest.approx(
        want['disentanglement'], abs=1e-10)
    assert completeness(importance) == pytest.approx(
        want['completeness'], abs=1e-10)


@pytest.mark.parametrize('name,key,rows', [
    ('tiny', 'dci_full', None), ('perfect', 'dci_train2000', 2000)])
def test_golden(name, key, rows):
    codes, factors, *test = golden_metrics.case(name).both
    want = golden_metrics.case(name).want[key]['seed0']
    score = metrics.dci(codes[:rows], factors[:rows], *test)
    for field, value in score._asdict().items():
        assert value == pytest.approx(want[field], abs=0.015), field


def test_dead_latents():
    codes, factors, test_codes, test_factors = golden_metrics.simple(rows=200)
    score = metrics.dci(codes * 0, factors, test_codes * 0, test_factors)
    assert score.disentanglement == pytest.approx(0, abs=1e-12)
    assert score.completeness == pytest.approx(0, abs=1e-12)


def test_deterministic_and_alike_on_any_number_of_cores():
    codes, factors, *test = golden_metrics.simple(rows=200)
    codes, test[0] = (np.hstack([c, c]) for c in (codes, test[0]))
    args = codes, factors, *test
    first = metrics.dci(*args, num_jobs=1)
    assert first == metrics.dci(*args, num_jobs=2)
    assert first != metrics.dci(*args, num_jobs=1, seed=3)


def test_progress_and_messages(capsys):
    codes, factors, *test = golden_metrics.simple(rows=100)
    metrics.dci(codes, factors, *test, num_jobs=1, progress=True)
    assert 'DCI' in capsys.readouterr().err
    with pytest.raises(ValueError, match='latents.*two'):
        metrics.dci(codes[:, :1], factors, test[0][:, :1], test[1])
    with pytest.raises(ValueError, match='factors.*two'):
        metrics.dci(codes, factors[:, :1], test[0], test[1][:, :1])
    with pytest.raises(ValueError, match='factor 0'):
        metrics.dci(codes, factors * [0, 1], *test)


def test_progress_counts_stages_and_changes_nothing(capsys):
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 3, (60, 2))
    codes = factors + rng.normal(size=(60, 2))
    pairs = codes[:40], factors[:40], codes[40:], factors[40:]
    assert metrics.dci(*pairs) == metrics.dci(*pairs, progress=True)
    assert 'stage' in capsys.readouterr().err
