"""InfoMEC against the published program's values, its laws, its messages."""

import json
import warnings

import numpy as np
import pytest
from scipy import special
from sklearn import feature_selection

from tests.helpers import golden_metrics
from tests.helpers.places import GOLDEN
from topdis_jax import metrics
from topdis_jax.metrics import neighbors
from topdis_jax.metrics.infomec import concentration

# Of latent_quantization, run unmodified; means of three runs, whose noise has
# no seed.
WANT = json.loads((GOLDEN / 'infomec.json').read_text())


def _simple(dead=False):
    codes, factors, *_ = golden_metrics.simple(dead=dead)
    return codes, factors


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden(name):
    found = metrics.infomec(*golden_metrics.case(name).train)
    want = WANT[name]
    np.testing.assert_allclose(found, [
        want[key]['mean'] for key in ('infom', 'infoe', 'infoc')], atol=0.005)


@pytest.mark.parametrize('name', ['tiny', 'noisy', 'perfect'])
def test_neighbors_are_those_of_scikit_learn(name):
    codes, factors = golden_metrics.case(name).train
    codes = codes[:2000, :3].astype(np.float64)
    codes = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    factors = factors[:2000, -2:]
    found = neighbors.mutual_information(codes, factors, 10, seed=3)
    want = np.stack([feature_selection.mutual_info_classif(
        codes, column, discrete_features=False, n_neighbors=10,
        random_state=3) for column in factors.T], axis=1)
    np.testing.assert_allclose(found, want, atol=1e-5)


def test_neighbors_in_classes_of_few_rows():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [1, 2, 5, 52])
    codes = rng.normal(size=(60, 1)) + 3 * labels[:, None]
    rows = labels > 0  # a class of one row is left out
    distances = np.abs(codes - codes.T)[np.ix_(rows, rows)]
    classes, terms = labels[rows], []
    for i, row in enumerate(distances):
        own = np.sort(row[classes == classes[i]])[1:]
        k = min(10, len(own))
        terms.append(special.digamma(k) - special.digamma(len(own) + 1)
                     - special.digamma(np.sum(row < own[k - 1])))
    want = special.digamma(59) + np.mean(terms)
    found = neighbors.mutual_information(codes, labels[:, None], 10, seed=0)
    assert found == pytest.approx(want, abs=1e-6) and want > 0


def test_the_share_of_the_largest_by_hand():
    # Shares 1/2 and 3/4 of two columns: a mean of 5/8, from [1/2, 1].
    table = np.array([[1.0, 1.0], [3.0, 1.0]])
    assert concentration(table) == pytest.approx((5 / 8 - 1 / 2) / (1 / 2))
    assert concentration(np.eye(3)) == 1
    assert concentration(np.array([[0.0, 0.0], [2.0, 0.0]])) == 0.5
    assert concentration(np.zeros((0, 2))) == 0
    assert concentration(np.ones((2, 1))) == 0


def _grid():
    """All 12 pairs of two factors, 10 times each."""
    return np.tile(np.indices((3, 4)).reshape(2, -1).T, (10, 1))


def test_discrete_latents_by_hand():
    factors = _grid()
    assert metrics.infomec(factors, factors, discrete=True) == pytest.approx(
        (1, 1, 1), abs=1e-3)
    # Latent 0 is both factors; latent 1 is factor 1 at odd values only. Of N,
    # row 0 is (1, 1) and row 1 is (0, H(1/2, 1/4, 1/4) / log 4 = 3/4).
    codes = np.stack([factors[:, 0] * 4 + factors[:, 1],
                      np.where(factors[:, 1] % 2, factors[:, 1], 0)], axis=1)
    found = metrics.infomec(codes, factors, discrete=True)
    assert found.modularity == pytest.approx((3 / 4 - 1 / 2) / (1 / 2))
    shares = np.mean([1, 1 / (1 + 3 / 4)])
    assert found.compactness == pytest.approx((shares - 1 / 2) / (1 / 2))
    assert found.explicitness == pytest.approx(1, abs=1e-3)
    # Their values are names: others do as well.
    names = np.random.default_rng(0).normal(size=12)
    assert metrics.infomec(names[codes], factors, discrete=True) == (
        pytest.approx(found, abs=1e-9))


@pytest.mark.filterwarnings('ignore:infomec. one latent')
def test_explicitness_by_hand():
    # Factor 0 has the odds 3 : 1 in one half of the codes, 1 : 3 in the
    # other: a balanced regression loses H(1/4) where chance loses log 2.
    # Nothing is known of factor 1.
    codes = np.repeat([0.0, 1.0], 80)
    first = np.tile([0, 0, 0, 0, 0, 0, 1, 1], 20)
    first = np.where(codes > 0, 1 - first, first)
    second = np.tile([0, 1], 80)
    found = metrics.infomec(np.stack([codes, codes * 0], axis=1),
                            np.stack([first, second], axis=1), discrete=True)
    loss = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(2)
    assert found.explicitness == pytest.approx((1 - loss) / 2, abs=1e-4)


def test_order_sign_scale_and_offset_do_not_matter():
    codes, factors = _simple()
    want = metrics.infomec(codes, factors)
    found = metrics.infomec(5 - 3 * codes[:, [2, 0, 1]], factors[:, ::-1])
    np.testing.assert_allclose(found, want, atol=0.01)


def test_what_each_score_sees():
    codes, factors = _simple()
    good = codes[:, :2]
    one_for_one = metrics.infomec(good, factors)
    assert min(one_for_one) > 0.9
    twice = metrics.infomec(np.hstack([good, good]), factors)
    assert twice.modularity > 0.9 and twice.compactness < 0.5
    both = metrics.infomec(good @ np.array([[1, 1], [1, -1]]), factors)
    assert both.modularity < 0.5
    assert both.explicitness == pytest.approx(one_for_one.explicitness,
                                              abs=0.01)
    chance = np.random.default_rng(1).normal(size=good.shape)
    assert abs(metrics.infomec(chance, factors).explicitness) < 0.05


def test_latents_that_are_not_active():
    codes, factors = _simple()
    want = metrics.infomec(codes[:, :2], factors)
    small = np.column_stack([codes[:, :2], 0.01 * codes[:, 2]])
    for extra in (small, _simple(dead=True)[0]):
        found = metrics.infomec(extra, factors)
        np.testing.assert_allclose(found[::2], want[::2], atol=1e-6)
    assert found.explicitness == pytest.approx(want.explicitness, abs=1e-4)


@pytest.mark.parametrize('discrete', [False, True])
def test_nothing_is_nan(discrete):
    codes, factors = _simple()
    with warnings.catch_warnings():
        warnings.simplefilter('error', RuntimeWarning)
        warnings.simplefilter('error', UserWarning)
        constant = metrics.infomec(codes * 0 + 0.7, factors, discrete=discrete)
    assert constant == pytest.approx((0, 0, 0), abs=1e-9)
    # Their exclusive or is known, neither of the two factors.
    grid = np.tile(np.indices((2, 2)).reshape(2, -1).T, (50, 1))
    both = (grid[:, :1] ^ grid[:, 1:]).repeat(2, axis=1)
    found = metrics.infomec(both, grid, discrete=discrete)
    assert np.all(np.isfinite(found))
    if discrete:
        assert found == pytest.approx((0, 0, 0), abs=1e-9)


def test_one_active_latent():
    codes, factors = _simple()
    with pytest.warns(UserWarning, match='compactness is undefined'):
        found = metrics.infomec(codes * [1, 0, 0], factors)
    assert found.compactness == 0 and found.modularity > 0.9


def test_the_noise_has_a_seed():
    factors = np.tile(_grid(), (3, 1))
    want = metrics.infomec(factors, factors)
    assert metrics.infomec(factors, factors) == want
    other = metrics.infomec(factors, factors, seed=1)
    assert other != want
    np.testing.assert_allclose(other, want, atol=0.05)


def test_messages():
    codes, factors = _simple()
    for short, what in ((codes[:, :1], 'latents'), (codes, 'factors')):
        with pytest.raises(ValueError, match=f'infomec compares {what}'):
            metrics.infomec(short, factors[:, :1] if short is codes
                            else factors)
    with pytest.raises(ValueError, match='infomec is undefined.*factor 0'):
        metrics.infomec(codes, factors * [0, 1])
    with pytest.raises(ValueError, match='factor 1 has 5 values in 5 rows'):
        metrics.infomec(codes[:5], np.stack(
            [[0, 0, 1, 1, 1], np.arange(5)], axis=1))
    codes[3, 1] = np.inf
    with pytest.raises(ValueError, match='latent 1 is NaN or infinite'):
        metrics.infomec(codes, factors)
