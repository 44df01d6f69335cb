"""Arrays read as a stream: the same as NumPy's, and nothing unpickled."""

import pickle
import zipfile

import numpy as np
import pytest

from topdis_jax.data.errors import DataError
from topdis_jax.data.published import numpy_files


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
@pytest.mark.parametrize('block', [1, 1000, 2 ** 25])
def test_blocks_are_the_array(tmp_path, monkeypatch, save, block):
    monkeypatch.setattr(numpy_files, 'BLOCK', block)
    images = np.random.default_rng(0).integers(0, 256, (37, 5, 4), np.uint8)
    save(tmp_path / 'a.npz', images=images, other=np.arange(3))
    np.save(tmp_path / 'a.npy', images)
    for path, key in (('a.npz', 'images'), ('a.npy', None)):
        path = str(tmp_path / path)
        assert numpy_files.header(path, key) == ((37, 5, 4), np.uint8)
        parts = list(numpy_files.blocks(path, key))
        assert len(parts) == {1: 37, 1000: 1, 2 ** 25: 1}[block]
        np.testing.assert_array_equal(np.concatenate(parts), images)
    assert numpy_files.keys(str(tmp_path / 'a.npz')) == ['images', 'other']


@pytest.mark.parametrize('value', [
    np.array(['a', 'bcd']), np.arange(4), np.float32(3)])
def test_small_arrays(tmp_path, value):
    np.savez(tmp_path / 'a.npz', x=value)
    np.testing.assert_array_equal(
        numpy_files.small(tmp_path / 'a.npz', 'x'), value)


class _Bomb:
    def __reduce__(self):
        return exec, ('raise SystemExit("ran a program")',)


def test_python_objects_are_refused(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, images=np.array([_Bomb()], dtype=object))
    with pytest.raises(DataError, match="'images'.*never unpickled.*dtype=str"):
        next(numpy_files.blocks(path, 'images'))
    path.write_bytes(pickle.dumps(_Bomb()))
    for key in (None, 'images'):
        with pytest.raises(DataError, match='cannot be read'):
            next(numpy_files.blocks(path, key))


def test_column_by_column_is_refused(tmp_path):
    np.save(tmp_path / 'a.npy', np.asfortranarray(np.ones((3, 4))))
    with pytest.raises(DataError, match='ascontiguousarray'):
        numpy_files.header(tmp_path / 'a.npy')


def test_missing_keys_and_files(tmp_path):
    np.savez(tmp_path / 'a.npz', imgs=np.zeros(3), labels=np.zeros(3))
    with pytest.raises(DataError, match="no array 'images'.*imgs, labels"):
        numpy_files.header(tmp_path / 'a.npz', 'images')
    with pytest.raises(DataError, match='no file .*b.npz'):
        numpy_files.keys(tmp_path / 'b.npz')


@pytest.mark.parametrize('keep', [0, 50, 0.5, 0.99])
@pytest.mark.parametrize('name', ['a.npz', 'a.npy'])
def test_truncated_files(tmp_path, name, keep):
    images = np.random.default_rng(0).integers(0, 256, (37, 50), np.uint8)
    path = tmp_path / name
    (np.save(path, images) if name == 'a.npy' else
     np.savez(path, images=images))
    content = path.read_bytes()
    path.write_bytes(content[:int(keep if keep > 1 else len(content) * keep)])
    with pytest.raises(DataError, match='cut short.*get it again'):
        list(numpy_files.blocks(path, None if name == 'a.npy' else 'images'))


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_a_changed_byte_is_found(tmp_path, save):
    path = tmp_path / 'a.npz'
    save(path, images=np.random.default_rng(0).integers(0, 256, 5000,
                                                        np.uint8))
    content = bytearray(path.read_bytes())
    content[2500] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match='cannot be read'):
        list(numpy_files.blocks(path, 'images'))


def test_a_header_that_promises_more_than_there_is(tmp_path):
    path = tmp_path / 'a.npz'
    np.save(tmp_path / 'a.npy', np.zeros((4, 10), np.uint8))
    content = (tmp_path / 'a.npy').read_bytes().replace(b'(4, 10)', b'(9, 10)')
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('images.npy', content)
    with pytest.raises(DataError, match='ends before its last image'):
        list(numpy_files.blocks(path, 'images'))
