"""Modularity against the reference's values, its laws, its messages."""

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics
from topdis_jax.metrics.modularity import of_information


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden(name):
    case = golden_metrics.case(name)
    np.testing.assert_allclose(
        metrics.modularity(*case.train),
        case.want['mig_float64_codes']['modularity_from_mi'], atol=1e-9)


@pytest.mark.parametrize('name', ['diag5', 'one_row_zero', 'random_6x4',
                                  'zeros_10x10', 'one_latent_1x3'])
def test_of_a_matrix(name):
    want = golden_metrics.matrices()[name]
    np.testing.assert_allclose(
        of_information(np.array(want['matrix'])), want['modularity'],
        atol=1e-10)


def test_a_dead_latent_counts_as_zero():
    codes, factors = golden_metrics.simple(dead=True)[:2]
    alive = metrics.modularity(codes[:, :2], factors)
    assert metrics.modularity(codes, factors) == pytest.approx(
        alive * 2 / 3, abs=1e-12)


def test_messages():
    codes, factors = golden_metrics.simple()[:2]
    with pytest.raises(ValueError, match='factors.*two'):
        metrics.modularity(codes, factors[:, :1])
