"""UDR against the published arithmetic, its laws, its messages."""

import itertools

import numpy as np
import pytest
from scipy import stats

from topdis_jax import metrics
from topdis_jax.metrics.udr import pair_score


def _models(seed=0, count=3, rows=500, latents=4):
    """Codes of models that mix the same causes in ways of their own."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(rows, latents))
    return [causes @ (np.eye(latents) + 0.5 * rng.normal(size=(latents,) * 2))
            + 0.1 * rng.normal(size=causes.shape) for _ in range(count)]


def _published_pair(table):
    """disentanglement_lib's relative strength, in loops."""
    halves = []
    for rows in (table, table.T):
        terms = []
        for column in rows.T:
            total = sum(column)
            terms.append(max(column) ** 2 / total if total > 0 else 0.0)
        halves.append(sum(terms) / len(terms))
    return sum(halves) / 2


def _lasso(x, y, alpha=0.1, rounds=3000):
    """|coefficients| [d, e], by proximal gradient steps in plain NumPy."""
    step = len(x) / np.linalg.norm(x, 2) ** 2
    weights = np.zeros((x.shape[1], y.shape[1]))
    for _ in range(rounds):
        moved = weights - step * x.T @ (x @ weights - y) / len(x)
        weights = np.sign(moved) * np.maximum(np.abs(moved) - step * alpha, 0)
    return np.abs(weights)


def _spearman(x, y):
    return np.array([[abs(stats.spearmanr(a, b).statistic) for b in y.T]
                     for a in x.T])


def _published(codes, kl, relate):
    """(scores, pairs) as disentanglement_lib computes them."""
    scaled = [(z - z.mean(axis=0)) / z.std(axis=0) for z in codes]
    kept = [z[:, values > 0.01] for z, values in zip(scaled, kl)]
    pairs = np.zeros((len(codes),) * 2)
    for a, b in itertools.permutations(range(len(codes)), 2):
        pairs[a, b] = _published_pair(relate(kept[a], kept[b]))
    scores = [np.median(np.delete(pairs[:, b], b)) for b in range(len(codes))]
    return scores, pairs


@pytest.mark.parametrize('similarity,relate', [
    ('lasso', _lasso), ('spearman', _spearman)])
def test_the_published_formula(similarity, relate):
    codes = _models(count=4)
    kl = [np.array([2.0, 1.0, 0.02, 0.5])] * 3 + [
        np.array([2.0, 0.009, 1.0, 0.01])]
    want = _published(codes, kl, relate)
    found = metrics.udr(codes, kl, similarity=similarity)
    np.testing.assert_allclose(found.pairs, want[1], atol=1e-3)
    np.testing.assert_allclose(found.scores, want[0], atol=1e-3)
    if similarity == 'spearman':  # which has no iterations
        np.testing.assert_allclose(found.scores, want[0], rtol=1e-12)


def test_a_pair_by_hand():
    # Columns: 0.81 / 0.9, 0.16 / 0.5; rows: 0.81 / 1, 0.16 / 0.4.
    table = np.array([[0.9, 0.1], [0.0, 0.4]])
    assert pair_score(table) == pytest.approx(
        ((0.9 + 0.32) / 2 + (0.81 + 0.4) / 2) / 2)
    assert pair_score(table.T) == pytest.approx(pair_score(table))
    assert pair_score(np.zeros((2, 3))) == 0
    assert pair_score(np.eye(3)) == 1


@pytest.mark.parametrize('similarity,want', [('lasso', 0.9), ('spearman', 1)])
def test_equal_models_of_independent_latents(similarity, want):
    # An orthogonal design: ranks and codes of different latents are exactly
    # uncorrelated.
    grid = np.indices((7, 7, 7)).reshape(3, -1).T.astype(float)
    found = metrics.udr([grid, grid, grid], similarity=similarity)
    np.testing.assert_allclose(found.scores, [want] * 3, rtol=1e-4)
    assert np.all(np.diag(found.pairs) == 0)


@pytest.mark.parametrize('similarity', ['lasso', 'spearman'])
def test_order_sign_scale_and_offset_do_not_matter(similarity):
    codes = _models()
    want = metrics.udr(codes, similarity=similarity)
    rng = np.random.default_rng(1)
    changed = [3 - 2 * z[:, rng.permutation(4)] * rng.choice([-1, 1], 4)
               for z in codes]
    found = metrics.udr(changed, similarity=similarity)
    np.testing.assert_allclose(found.pairs, want.pairs, atol=1e-3)


def test_disentangled_models_rank_first():
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(1000, 3))
    aligned = [causes[:, rng.permutation(3)] for _ in range(3)]
    rotated = [causes @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
               for _ in range(2)]
    scores = metrics.udr(aligned + rotated).scores
    assert scores[:3].min() > scores[3:].max() + 0.1


def test_the_order_of_models_does_not_matter():
    codes = _models(count=4)
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(
        metrics.udr([codes[m] for m in order]).scores,
        metrics.udr(codes).scores[order])


@pytest.mark.parametrize('similarity', ['lasso', 'spearman'])
def test_latents_without_information(similarity):
    codes = _models(count=2)
    dead = [np.column_stack([z, np.full(len(z), 0.7)]) for z in codes]
    options = {'similarity': similarity}
    want = metrics.udr(codes, **options).scores
    # Constant codes are left out, and so are latents of no KL.
    assert np.array_equal(metrics.udr(dead, **options).scores, want)
    kl = [np.array([1.0, 1, 1, 1, 0])] * 2
    assert np.array_equal(metrics.udr(dead, kl, **options).scores, want)
    # With a KL, constant codes count as similar to none.
    counted = metrics.udr(dead, [np.ones(5)] * 2, **options).scores
    np.testing.assert_allclose(counted, want * 4 / 5)
    nothing = metrics.udr([codes[0], codes[1] * 0], **options)
    assert np.array_equal(nothing.pairs, np.zeros((2, 2)))
    nothing = metrics.udr(codes, [np.zeros(4)] * 2, **options)
    assert np.array_equal(nothing.scores, np.zeros(2))


def test_models_of_different_numbers_of_latents():
    codes = _models()
    wider = [codes[0], codes[1][:, :1], np.hstack([codes[2], codes[2] * 0])]
    assert np.all(np.isfinite(metrics.udr(wider).scores))
    np.testing.assert_allclose(
        metrics.udr([codes[0], wider[2]]).pairs,
        metrics.udr([codes[0], codes[2]]).pairs)


def test_messages():
    codes = _models()
    with pytest.raises(ValueError, match='at least two, received 1'):
        metrics.udr(codes[:1])
    with pytest.raises(ValueError, match='same images.*500 rows of model 0 '
                                         'and 400 of model 2'):
        metrics.udr([*codes[:2], codes[2][:400]])
    with pytest.raises(ValueError, match='codes of model 1: latent 2 is NaN'):
        metrics.udr([codes[0], np.where(np.arange(4) == 2, np.nan, codes[1])])
    with pytest.raises(ValueError, match='lasso, spearman, received .pearson.'):
        metrics.udr(codes, similarity='pearson')
    with pytest.raises(ValueError, match='3 models, received 2'):
        metrics.udr(codes, [np.ones(4)] * 2)
    with pytest.raises(ValueError, match=r'kl of model 0 must be finite \[4\]'):
        metrics.udr(codes, [np.ones(3)] * 3)
