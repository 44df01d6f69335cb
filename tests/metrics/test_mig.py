"""MIG against the reference's values, its laws, its messages."""

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden(name):
    case = golden_metrics.case(name)
    want = case.want['mig_float64_codes']['discrete_mig']
    np.testing.assert_allclose(metrics.mig(*case.train), want, atol=1e-9)


def test_laws():
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 4, (2000, 2))
    perfect = factors + 0.0
    assert metrics.mig(perfect, factors) > 0.99
    # Order, sign and scale of the latents do not matter.
    assert metrics.mig(-3 * perfect[:, ::-1], factors) == pytest.approx(
        metrics.mig(perfect, factors), abs=1e-12)
    assert metrics.mig(np.hstack([perfect, perfect]), factors) == 0
    assert metrics.mig(np.zeros((2000, 3)), factors) == 0


def test_messages():
    factors = np.zeros((5, 1), int)
    with pytest.raises(ValueError, match='factor 0'):
        metrics.mig(np.eye(5)[:, :2], factors)
    with pytest.raises(ValueError, match='latent 1 is NaN'):
        metrics.mig(np.array([[0, np.nan]] * 5), factors)
    with pytest.raises(ValueError, match='two'):
        metrics.mig(np.zeros((5, 1)), np.arange(5)[:, None])
