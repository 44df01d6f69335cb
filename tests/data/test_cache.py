"""The cache: made once, by one process, whole or absent."""

import os
import threading

import numpy as np
import pytest

from topdis_jax.data.store import cache

SHAPE = (4, 2, 2, 1)


def _keep(path, blocks, **options):
    return cache.get_or_create(
        str(path), SHAPE, 'd', lambda: cache.open_array(path, SHAPE), blocks,
        **options)


def _block():
    return [np.arange(16, dtype=np.uint8)]


def test_made_once_and_found_again(tmp_path):
    path = tmp_path / 'new' / 'd.npy'
    first = _keep(path, _block)
    again = _keep(path, None)
    np.testing.assert_array_equal(first, np.arange(16).reshape(SHAPE))
    np.testing.assert_array_equal(again, first)
    assert os.listdir(path.parent) == ['d.npy']


@pytest.mark.parametrize('content', [b'', b'text', 'cut', 'other'])
def test_what_is_damaged_is_not_opened(tmp_path, content):
    path = tmp_path / 'd.npy'
    array = np.zeros(SHAPE if content == 'cut' else (3, 2), np.uint8)
    np.save(path, array)
    if content == 'cut':
        path.write_bytes(path.read_bytes()[:-1])
    elif content != 'other':
        path.write_bytes(content)
    assert cache.open_array(path, SHAPE) is None
    np.testing.assert_array_equal(_keep(path, _block).ravel(), np.arange(16))


def test_only_one_makes_it_and_the_others_wait(tmp_path, capsys):
    path, made = tmp_path / 'd.npy', []
    begun, others = threading.Event(), []

    def slow():
        made.append(1)
        begun.set()
        for thread in others:
            thread.join(0.1)  # they wait: this times out
        return _block()

    for _ in range(2):
        others.append(threading.Thread(target=lambda: (
            begun.wait(), _keep(path, slow))))
        others[-1].start()
    _keep(path, slow)
    for thread in others:
        thread.join()
    assert len(made) == 1 and os.listdir(tmp_path) == ['d.npy']
    assert 'waiting' in capsys.readouterr().err


def test_what_a_killed_process_left_is_taken_over(tmp_path):
    (tmp_path / 'd.npy.tmp').write_bytes(b'x' * 1000)
    _keep(tmp_path / 'd.npy', _block)
    assert os.listdir(tmp_path) == ['d.npy']
    assert os.path.getsize(tmp_path / 'd.npy') == 128 + 16


def test_a_full_disk_is_told_before(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.shutil, 'disk_usage', lambda folder:
                        type('', (), {'free': 5 * 2 ** 20}))
    with pytest.raises(OSError, match='only 5 MiB.*XDG_CACHE_HOME.* 16 MiB'):
        _keep(tmp_path / 'd.npy', None)
    assert not os.listdir(tmp_path)


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / 'd.npy'
    path.write_bytes(b'old')

    def fail():
        yield np.zeros(4, np.uint8)
        raise OSError(28, 'No space left on device')

    with pytest.raises(OSError, match='No space left.*XDG_CACHE_HOME'):
        _keep(path, fail)
    assert os.listdir(tmp_path) == ['d.npy'] and path.read_bytes() == b'old'
    with pytest.raises(AssertionError, match='4 bytes'):
        _keep(path, lambda: [np.zeros(4, np.uint8)])
    assert os.listdir(tmp_path) == ['d.npy']
