"""IRS against the reference's values, its laws, its messages."""

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden(name):
    case = golden_metrics.case(name)
    want = case.want['irs'].get('IRS_float64_codes', case.want['irs']['IRS'])
    np.testing.assert_allclose(metrics.irs(*case.train), want, atol=1e-6)


def test_laws():
    codes, factors = golden_metrics.simple(dead=True)[:2]
    # A dead latent does not count, and neither do order, sign and offset.
    want = metrics.irs(codes[:, :2], factors)
    assert metrics.irs(codes, factors) == pytest.approx(want, abs=1e-12)
    assert metrics.irs(3 - codes[:, ::-1], factors) == pytest.approx(
        want, abs=1e-9)
    assert metrics.irs(factors, factors) == 1
    assert metrics.irs(codes * 0 - 0.3, factors) == 0


def test_by_hand():
    # Groups {0, 1} and {4, 7}: half of the deviations, 0.5 and 1.5; the mean
    # is 3 and the largest deviation 4.
    codes = np.array([[0.], [1.], [4.], [7.]])
    factors = np.array([[0], [0], [1], [1]])
    assert metrics.irs(codes, factors, quantile=1) == pytest.approx(1 - 1 / 4)


def test_messages():
    codes, factors = golden_metrics.simple()[:2]
    with pytest.raises(ValueError, match='quantile.*99'):
        metrics.irs(codes, factors, quantile=99)
