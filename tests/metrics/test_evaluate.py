"""The evaluation around the scores."""

import json
import os

import numpy as np
import pytest
from scipy import special

from topdis_jax.data.factors import FactorDataset
from topdis_jax.metrics import evaluate, samples, table


def _dataset():
    """Images whose pixels hold their own factors."""
    factors = np.indices((4, 3, 5)).reshape(3, -1).T
    images = np.zeros((60, 4, 4, 1), np.uint8)
    images[:, 0, :3, 0] = 10 * factors
    return FactorDataset('grid', images, ('a', 'b', 'c'), (4, 3, 5))


def _encode(images):
    return images[:, 0, :3, 0] / 10


def _decode(codes):
    return np.zeros((len(codes), 4, 4, 1)) + 0.5


def test_evaluates_a_perfect_code():
    scores = evaluate.score_model(_encode, _decode, _dataset(), ('mig',),
                                  batch_size=16, progress=False)
    assert scores['mig'] > 0.99
    p, images = special.expit(0.5), _dataset().images / 255
    want = -np.sum(images * np.log(p) + (1 - images) * np.log(1 - p)) / 60
    np.testing.assert_allclose(scores['reconstruction'], want, rtol=1e-12)


def test_extreme_logits_are_finite():
    scores = evaluate.score_model(
        _encode, lambda codes: 1e4 * (_decode(codes) - 0.4), _dataset(), (),
        progress=False)
    assert np.isfinite(scores['reconstruction'])


def test_deterministic_in_the_seed():
    def run(seed):
        return evaluate.score_model(
            lambda images: _encode(images) ** 2, _decode, _dataset(),
            ('mig',), seed=seed, progress=False)

    assert run(1) == run(1) and run(1)['mig'] != run(2)['mig']


def test_encodes_full_batches_and_each_image_once():
    sizes = []

    def encode(images):
        sizes.append(len(images))
        return _encode(images)

    evaluate.score_model(encode, _decode, _dataset(), ('mig',), batch_size=32,
                         progress=False)
    assert sizes == [32, 32]


def test_data_without_factors():
    data = FactorDataset('faces', _dataset().images)
    scores = evaluate.score_model(_encode, _decode, data, ('mig',),
                                  progress=False)
    assert 'mig' not in scores and 'no factors' in scores['note']
    assert 'not computed: mig.' in scores['note']
    assert 'factor_sizes' in scores['note']


def test_every_score_of_a_perfect_code(monkeypatch):
    monkeypatch.setattr(samples, 'NUM_TRAIN', 500)
    monkeypatch.setattr(samples, 'NUM_TEST', 200)
    scores = evaluate.score_model(_encode, _decode, _dataset(), tuple(
        evaluate.SCORES), progress=False)
    names = table.main_results(evaluate.SCORES)
    assert set(names) < set(scores)
    # SAP's linear classifiers do not tell middle classes apart.
    assert all(scores[name] > (0.3 if name == 'sap' else 0.95)
               for name in names), scores
    assert scores['dci_informativeness'] == 1


def test_scores_that_are_undefined_are_named():
    with pytest.raises(evaluate.ScoreError, match='score mig.*latents'):
        evaluate.score_model(lambda images: _encode(images)[:, :1], _decode,
                             _dataset(), ('mig',), progress=False)


def test_codes_that_are_not_finite_are_named():
    def encode(images):
        codes = np.array(_encode(images), np.float32)
        codes[:, 1] = np.nan
        return codes

    with pytest.raises(evaluate.ScoreError, match='latent 1 is NaN'):
        evaluate.score_model(encode, _decode, _dataset(), ('mig',),
                             progress=False)


def test_unknown_score():
    with pytest.raises(evaluate.ScoreError, match='mig.*mgi') as error:
        evaluate.check_names(('mgi',))
    assert str(error.value).startswith('scores must be')
    assert str(error.value).endswith(". Did you mean mig?")
    with pytest.raises(evaluate.ScoreError, match='^--scores must be'):
        evaluate.check_names(('mgi',), '--scores')


def test_scores_file(tmp_path):
    path = tmp_path / 'scores.json'
    evaluate.add_scores(path, {'mig': 0.25}, {'seed': 1})
    assert json.loads(path.read_text()) == {
        'mig': 0.25, 'settings': {'seed': 1}}
    assert os.listdir(tmp_path) == ['scores.json']
