"""Total correlation of fixed codes, beside closed forms."""

import numpy as np
import pytest

from experiments.checks import turns


def test_a_pair_of_normal_latents():
    rng, rho = np.random.default_rng(0), 0.7
    a, noise = rng.standard_normal((2, 40_000))
    b = rho * a + np.sqrt(1 - rho ** 2) * noise
    expected = -np.log(1 - rho ** 2) / 2
    assert turns.pair_information(a, b) == pytest.approx(
        expected, abs=0.02)
    assert turns.pair_information(a, noise) == pytest.approx(
        0, abs=0.005)


def test_a_turn_of_a_square_is_seen_and_one_of_normal_codes_is_not():
    rng = np.random.default_rng(0)
    square = turns.by_angle(*rng.uniform(size=(2, 40_000)))
    assert square[0] == pytest.approx(0, abs=0.005)
    # Turned by 45 degrees both are triangular: 1 - ln 2 nats in common; bins
    # lose a part of that at the square's edges.
    exact = 1 - np.log(2)
    assert exact - 0.08 < square[3] < exact and square[3] == max(square)
    normal = turns.by_angle(*rng.standard_normal((2, 40_000)))
    assert np.ptp(normal) < 0.01


def test_total_correlation_of_normal_codes():
    rng, rho = np.random.default_rng(0), 0.6
    codes = rng.standard_normal((20_000, 4)).astype(np.float32)
    assert turns.total_correlation(codes, 100) == pytest.approx(
        0, abs=0.02)
    codes[:, 2] = rho * codes[:, 0] + np.sqrt(1 - rho ** 2) * codes[:, 2]
    assert turns.total_correlation(codes, 400) == pytest.approx(
        -np.log(1 - rho ** 2) / 2, abs=0.04)
