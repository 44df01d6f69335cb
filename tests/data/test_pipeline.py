"""Batches: permutations, epochs, purity."""

import threading
import time

import numpy as np
import pytest

from topdis_jax.data import pipeline
from topdis_jax.data.factors import FactorDataset


@pytest.mark.parametrize('size', [1, 2, 3, 7, 64, 65, 1000, 46_080])
def test_permutation(size):
    found = pipeline.permute(np.arange(size), size, np.uint64(5))
    np.testing.assert_array_equal(np.sort(found), np.arange(size))


def test_permutations_look_random():
    size = 10_000
    found = pipeline.permute(np.arange(size), size, np.uint64(1))
    other = pipeline.permute(np.arange(size), size, np.uint64(2))
    for pair in ((found, np.arange(size)), (found, other),
                 (found[1:], found[:-1])):
        assert abs(np.corrcoef(*pair)[0, 1]) < 0.05  # 5 standard deviations


def test_an_epoch_visits_every_image_once():
    epoch = np.concatenate([
        pipeline.indices(100, 0, step, 20) for step in range(5)])
    np.testing.assert_array_equal(np.sort(epoch), np.arange(100))
    following = np.concatenate([
        pipeline.indices(100, 0, step, 20) for step in range(5, 10)])
    assert np.any(epoch != following)


def test_batches_cross_the_end_of_an_epoch():
    stream = np.concatenate([
        pipeline.indices(10, 3, step, 7) for step in range(10)])
    for epoch in stream.reshape(7, 10):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(10))


def test_a_batch_larger_than_the_data_set():
    found = pipeline.indices(3, 0, 0, 9)
    np.testing.assert_array_equal(np.bincount(found), [3, 3, 3])


def test_a_pure_function_of_seed_step_and_stream():
    def take(*args, **kwargs):
        return pipeline.indices(1000, *args, 32, **kwargs)

    np.testing.assert_array_equal(take(1, 7), take(1, 7))
    for other in (take(2, 7), take(1, 8), take(1, 7, stream=1)):
        assert np.any(other != take(1, 7))


def test_large_seeds_and_steps():
    found = pipeline.indices(1000, -1, 10 ** 12, 32)
    assert found.min() >= 0 and found.max() < 1000


def test_batch_gives_the_images():
    images = np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1)
    data = FactorDataset('d', images)
    got = pipeline.batch(data, 0, 2, 8)
    np.testing.assert_array_equal(got.ravel(),
                                  pipeline.indices(50, 0, 2, 8))


def test_batch_of_images_that_are_drawn():
    data = FactorDataset('d', np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1))
    got = pipeline.batch(
        data, 1, 2, 3, stream=4,
        sampler=lambda *args, stream: np.array([*args, stream]))
    np.testing.assert_array_equal(got.ravel(), [1, 2, 3, 4])


def test_uniform_numbers():
    found = pipeline.uniform(0, 5, (50_000, 2))
    assert found.min() >= 0 and found.max() < 1
    counts = np.histogram2d(*found.T, bins=10, range=[[0, 1]] * 2)[0]
    assert np.sum((counts - 500) ** 2 / 500) < 158  # 1e-4 of chi-square(99)
    for other in ((1, 5), (0, 6)):
        assert np.all(found != pipeline.uniform(*other, (50_000, 2)))
    assert np.all(found != pipeline.uniform(0, 5, (50_000, 2), stream=1))


def test_shard():
    images = np.zeros((12, 4, 4, 1), np.uint8)
    assert pipeline.shard(images, 4).shape == (4, 3, 4, 4, 1)
    with pytest.raises(ValueError, match='batch of 12.*5 devices'):
        pipeline.shard(images, 5)


def test_the_batches_of_a_seed_never_change():
    # From this implementation: other numbers would spoil a resumed run.
    np.testing.assert_array_equal(
        pipeline.indices(46_080, 3, 1000, 4, stream=1),
        [35524, 33507, 16912, 33959])
    np.testing.assert_allclose(
        pipeline.uniform(3, 1000, (2,), stream=1), [0.7349844, 0.77841726],
        rtol=1e-7)


def test_prefetch_gives_all_in_order_and_passes_errors_on():
    assert list(pipeline.Prefetch(lambda i: i * i, 2, 6)) == [4, 9, 16, 25]
    assert list(pipeline.Prefetch(lambda i: i, 3, 3)) == []
    with pytest.raises(ZeroDivisionError):
        list(pipeline.Prefetch(lambda i: 1 / (i - 1), 0, 3))


def test_prefetch_gets_two_ahead_and_says_how_long_it_waited():
    got, third = [], threading.Event()

    def get(step):
        got.append(step)
        if step == 2:
            third.set()
        return step

    batches = pipeline.Prefetch(get, 0, 9)
    for step in batches:
        # Of its own accord: nothing more is asked for meanwhile.
        assert third.wait(10) and len(got) <= step + 3
        if step == 3:
            break
    assert 0 <= batches.share() < 1
    slow = pipeline.Prefetch(lambda step: time.sleep(0.02), 0, 5)
    begun = time.perf_counter()
    list(slow)
    assert 0.08 < slow.waited <= time.perf_counter() - begun
    assert slow.share() > 0.5
