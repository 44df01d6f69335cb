"""Explicitness against the reference's values, its laws, its messages."""

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden(name):
    case = golden_metrics.case(name)
    want = case.want['explicitness_nonconstant_latents']
    np.testing.assert_allclose(metrics.explicitness(*case.both),
                               want['explicitness_score_test'], atol=1e-3)


def test_area_of_two_classes_by_counting_pairs():
    # One latent and two classes: the score orders rows as the latent does.
    codes = np.array([[0.], [1.], [2.], [3.]])
    factors = np.array([[0], [0], [1], [1]])
    test_codes = np.array([[0.], [2.], [1.], [3.], [4.]])
    test_factors = np.array([[0], [0], [1], [1], [1]])
    pairs = [a > b for a in (1, 3, 4) for b in (0, 2)]
    assert metrics.explicitness(
        codes, factors, test_codes, test_factors) == pytest.approx(
            np.mean(pairs), abs=1e-12)


def test_dead_latents():
    alive = golden_metrics.simple(dead=True)
    codes, factors, test_codes, test_factors = alive
    assert metrics.explicitness(*alive) == metrics.explicitness(
        codes[:, :2], factors, test_codes[:, :2], test_factors)
    assert metrics.explicitness(codes * 0, factors, test_codes,
                                test_factors) == 0.5


def test_messages():
    codes, factors, test_codes, test_factors = golden_metrics.simple()
    few = test_factors[:, 0] < 2
    with pytest.raises(ValueError, match='value 2 of factor 0.*training'):
        metrics.explicitness(codes, factors, test_codes[few],
                             test_factors[few])
    few = factors[:, 1] > 0
    with pytest.raises(ValueError, match='value 0 of factor 1.*test'):
        metrics.explicitness(codes[few], factors[few], test_codes,
                             test_factors)
