"""FactorVAE score against the reference's, its laws, its messages."""

import functools

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden_to_the_vote(name):
    case = golden_metrics.case(name)
    runs = case.want['factor_vae']['runs']
    for run in runs[:2]:
        assert metrics.factor_vae(
            case.represent, case.sizes, seed=run['seed']) == pytest.approx(
                run['eval_accuracy'], abs=1e-12)


def _identity(factors):
    return factors.astype(np.float32)


def _score(represent, sizes=(3, 4), **options):
    return metrics.factor_vae(represent, sizes, num_train=1000, num_eval=500,
                              num_variance=1000, **options)


def test_laws():
    assert _score(_identity) == 1
    assert _score(lambda f: -7 * _identity(f)[:, ::-1]) == 1
    # A dead latent changes nothing, with or without the threshold.
    for threshold in (0.0, 0.05):
        assert _score(lambda f: np.hstack([f * 0, f]).astype(float),
                      threshold=threshold) == 1
    assert _score(lambda f: f * 0.0) == 0
    # One latent that is left gets all votes: the more frequent factor's share.
    assert 0.4 < _score(lambda f: _identity(f)[:, :1]) < 0.6


def test_codes_whose_squares_leave_float32():
    def represent(factors, scale):
        return (factors * np.float32(scale)).astype(np.float32)

    usual, large = (metrics.factor_vae(
        functools.partial(represent, scale=scale), (4, 5), num_train=200,
        num_eval=100, num_variance=500, progress=False)
        for scale in (1.0, 2.0 ** 66))
    assert usual == large == 1.0
    with pytest.raises(ValueError, match='threshold must not be negative'):
        metrics.factor_vae(lambda factors: factors, (4, 5), threshold=np.nan)


def test_threshold_is_on_the_standard_deviation():
    def represent(scale):
        return lambda f: np.column_stack(
            [f[:, 0], scale * f[:, 1] / np.sqrt(1.25)])

    assert _score(represent(0.04)) < 0.6
    assert _score(represent(0.06)) == 1


def test_progress_and_messages(capsys):
    _score(_identity, progress=True)
    assert 'FactorVAE' in capsys.readouterr().err
    with pytest.raises(ValueError, match='batch_size.*2.*1'):
        _score(_identity, batch_size=1)
    with pytest.raises(ValueError, match=r'factor_sizes.*\(3, 0\)'):
        _score(_identity, sizes=(3, 0))
    with pytest.raises(ValueError, match='represent.*1000'):
        _score(lambda f: f[:5])
    with pytest.raises(ValueError, match='latent 0 is NaN'):
        _score(lambda f: f * np.nan)
