"""SAP against the reference's values, its laws, its messages."""

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics
from topdis_jax.metrics.sap import gap


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden(name):
    case = golden_metrics.case(name)
    np.testing.assert_allclose(
        metrics.sap(*case.both),
        case.want['sap_discrete']['SAP_score'], atol=5e-4)
    np.testing.assert_allclose(
        metrics.sap(*case.both, continuous=True),
        case.want['sap_continuous']['SAP_score'], atol=1e-6)


@pytest.mark.parametrize('name', ['diag5', 'one_row_zero', 'random_6x4',
                                  'zeros_10x10', 'one_factor_3x1'])
def test_gap_of_a_matrix(name):
    want = golden_metrics.matrices()[name]
    np.testing.assert_allclose(
        gap(np.array(want['matrix'])), want['sap_avg_diff_top_two'],
        atol=1e-10)


def test_order_and_sign_do_not_matter():
    codes, factors, test_codes, test_factors = golden_metrics.simple()
    args = codes, factors, test_codes, test_factors
    other = -codes[:, ::-1], factors, -test_codes[:, ::-1], test_factors
    for continuous in (False, True):
        assert metrics.sap(*args, continuous=continuous) == pytest.approx(
            metrics.sap(*other, continuous=continuous), abs=0.01)


@pytest.mark.parametrize('continuous', [False, True])
def test_latents_that_know_nothing(continuous):
    codes, factors, test_codes, test_factors = golden_metrics.simple()
    assert metrics.sap(codes * 0, factors, test_codes * 0, test_factors,
                       continuous=continuous) == 0


def test_squared_correlation_of_a_line():
    factors = np.arange(12).reshape(-1, 1) % 4
    codes = np.hstack([3 - 2.0 * factors, np.ones((12, 1))])
    assert metrics.sap(codes, factors, codes, factors,
                       continuous=True) == pytest.approx(1)


def test_a_class_that_test_rows_lack_or_have_alone():
    codes, factors, test_codes, test_factors = golden_metrics.simple()
    few = test_factors[:, 0] < 2
    assert metrics.sap(codes, factors, test_codes[few], test_factors[few]) > 0
    few = factors[:, 0] < 2
    assert metrics.sap(codes[few], factors[few], test_codes, test_factors) > 0


def test_messages():
    codes, factors, *test = golden_metrics.simple()
    with pytest.raises(ValueError, match='two'):
        metrics.sap(codes[:, :1], factors, test[0][:, :1], test[1])
    with pytest.raises(ValueError, match='factor 1'):
        metrics.sap(codes, factors * [1, 0], *test)
    with pytest.raises(ValueError, match='same latents.*3 and 2'):
        metrics.sap(codes, factors, test[0][:, :2], test[1])
    with pytest.raises(ValueError, match='test_codes: latent 0 is NaN'):
        metrics.sap(codes, factors, test[0] * np.nan, test[1])
