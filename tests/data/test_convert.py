"""Conversion: once, whole or absent, made anew when the source changes."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from topdis_jax.data import sources
from topdis_jax.data.errors import DataError
from topdis_jax.data.store import cache, conversion
from topdis_jax.data.store.stream import Stream

SHAPE = (6, 4, 4, 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path / 'topdis_jax'


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'source'
    path.write_text('one')
    return path


def _stream(value=7, fail=None):
    def blocks():
        for _ in range(3):
            yield np.full((2, *SHAPE[1:]), value, np.uint8)
            if fail:
                raise fail

    return lambda: Stream(SHAPE, blocks, ('a', 'b'), (2, 3))


def _load(path, make_stream):
    return conversion.load('d', str(path), make_stream)


def test_converted_once(folder, source):
    data = _load(source, _stream())
    again = _load(source, None)
    for found in (data, again, conversion.cached('d', SHAPE)):
        assert found.factor_names == ('a', 'b')
        assert found.factor_sizes == (2, 3)
        assert isinstance(found.images, np.memmap)
        assert np.all(found.images == 7)
    assert sorted(os.listdir(folder)) == ['d-v1.json', 'd-v1.npy']
    facts = json.loads((folder / 'd-v1.json').read_text())
    assert facts['sha256'] == hashlib.sha256(data.images.tobytes()).hexdigest()
    assert facts['origin']['path'] == str(source)


def test_made_anew_when_the_source_changes(folder, source, tmp_path):
    _load(source, _stream(1))
    source.write_text('two!')
    assert conversion.cached('d', SHAPE) is None
    assert np.all(_load(source, _stream(2)).images == 2)
    os.utime(source, (1, 1))
    assert np.all(_load(source, _stream(3)).images == 3)
    other = tmp_path / 'other'
    other.write_text('one')
    assert np.all(_load(other, _stream(4)).images == 4)
    assert sorted(os.listdir(folder)) == ['d-v1.json', 'd-v1.npy']


def test_made_anew_when_a_folder_changes(folder, tmp_path):
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    (pictures / 'a').write_text('a')
    _load(pictures, _stream(1))
    _load(pictures, None)
    (pictures / 'b').write_text('b')
    assert np.all(_load(pictures, _stream(2)).images == 2)


def test_a_source_that_is_gone_is_no_hindrance(folder, source):
    _load(source, _stream())
    source.unlink()
    assert len(conversion.cached('d', SHAPE)) == 6
    assert conversion.cached('d', (5, 4, 4, 1)) is None
    assert conversion.cached('other', SHAPE) is None


@pytest.mark.parametrize('name,content', [
    ('d-v1.json', ''), ('d-v1.json', '[]'), ('d-v1.json', '{}'),
    ('d-v1.json', '{"origin": 3, "shape": 3}'), ('d-v1.npy', 'x'),
    ('d-v1.npy', '')])
def test_a_damaged_cache_is_made_anew(folder, source, name, content):
    _load(source, _stream())
    (folder / name).write_text(content)
    assert conversion.cached('d', SHAPE) is None
    assert np.all(_load(source, _stream(2)).images == 2)


@pytest.mark.parametrize('error', [
    DataError('cut'), KeyboardInterrupt(), OSError(28, 'No space left')])
def test_a_failure_leaves_nothing_half_made(folder, source, error):
    with pytest.raises(type(error)):
        _load(source, _stream(1, error))
    assert os.listdir(folder) == []
    _load(source, _stream(1))
    source.write_text('other')
    with pytest.raises(type(error)):
        _load(source, _stream(2, error))
    assert np.all(np.load(folder / 'd-v1.npy') == 1)  # what was there


def test_a_full_disk_is_a_data_error(folder, tmp_path, monkeypatch):
    np.savez(tmp_path / 'a.npz', images=np.zeros((6, 8, 8), np.uint8))
    monkeypatch.setattr(cache.shutil, 'disk_usage', lambda folder:
                        type('', (), {'free': 0}))
    with pytest.raises(DataError, match='only 0 MiB.*XDG_CACHE_HOME'):
        sources.load('own', root=str(tmp_path / 'a.npz'))
    assert os.listdir(folder) == []


def test_two_processes_at_once(folder, tmp_path):
    images = np.random.default_rng(0).integers(
        0, 256, (5000, 32, 32), np.uint8)
    np.savez_compressed(tmp_path / 'a.npz', images=images)
    code = ('import sys; from topdis_jax.data import sources; '
            'print(sources.load("own", root=sys.argv[1]).images.sum())')
    processes = [subprocess.Popen(
        [sys.executable, '-c', code, str(tmp_path / 'a.npz')],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)]
    assert [int(p.communicate()[0]) for p in processes] == [images.sum()] * 2
    assert len(os.listdir(folder)) == 2


def test_killed_conversion_leaves_nothing_half_made(folder, source):
    code = (
        'import sys, time, numpy as np\n'
        'from topdis_jax.data.store import conversion\n'
        'from topdis_jax.data.store.stream import Stream\n'
        'def blocks():\n'
        '    yield np.ones((3, 4, 4, 1), np.uint8)\n'
        '    print("half", flush=True)\n'
        '    time.sleep(60)\n'
        'conversion.load("d", sys.argv[1], lambda: Stream('
        '(6, 4, 4, 1), blocks))')
    process = subprocess.Popen([sys.executable, '-c', code, str(source)],
                               stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == 'half\n'
    process.kill()
    process.communicate()
    assert os.listdir(folder) == ['d-v1.npy.tmp']
    assert conversion.cached('d', SHAPE) is None
    assert np.all(_load(source, _stream(2)).images == 2)
    assert sorted(os.listdir(folder)) == ['d-v1.json', 'd-v1.npy']
