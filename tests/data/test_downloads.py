"""Published files are fetched: from a local server, which misbehaves too."""

import errno
import functools
import io
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.helpers import file_server
from tests.helpers import published_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.published import downloads, transfers

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 3 * 2 ** 20,
                                                  dtype=np.uint8))

pytestmark = pytest.mark.usefixtures('no_data')


@pytest.fixture
def server():
    with file_server.serving(file=CONTENT) as server:
        yield server


def test_a_full_disk_is_told_before(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage',
                        lambda path: usage._replace(free=2 ** 20))
    monkeypatch.setenv(downloads.MIRROR, server.url)
    server.files['3dshapes.h5'] = CONTENT
    with pytest.raises(sources.DataError, match='3 MiB are needed and 1 MiB'
                       '.*XDG_CACHE_HOME'):
        sources.load('shapes3d')


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A server with small files in the published formats."""
    small = cases.shrink(monkeypatch)
    monkeypatch.setattr(
        sources.table, 'PUBLISHED',
        {name: data._replace(sha256='') for name, data in small.items()})
    (tmp_path / 'www').mkdir()
    with file_server.serving() as server:
        for name in ('dsprites', 'shapes3d', 'mpi3d_toy', 'mpi3d_complex'):
            path = cases.write(name, tmp_path / 'www')
            server.files[path.name] = path.read_bytes()
        monkeypatch.setenv(downloads.MIRROR, server.url + '/')
        yield server


@pytest.mark.parametrize('name', ['dsprites', 'shapes3d', 'mpi3d_toy',
                                  'mpi3d_complex'])
def test_data_sets_are_fetched_once_and_converted(mirror, name):
    dataset = sources.load(name)
    assert dataset.images.shape[0] == len(cases.images_of(name))
    np.testing.assert_array_equal(
        cases.factors_in(np.asarray(dataset.images), len(cases.SIZES[name])),
        np.stack(np.unravel_index(np.arange(len(dataset)),
                                  cases.SIZES[name]), 1))
    file = sources.table.PUBLISHED[name].file
    assert os.listdir(downloads.folder()) == [file]
    sources.load(name)
    assert [path for path, _ in mirror.requests] == ['/' + file]


def test_what_was_converted_precedes_a_download(mirror, tmp_path, capsys):
    name = 'mpi3d_toy'
    sources.load(name)
    file = os.path.join(downloads.folder(), sources.table.PUBLISHED[name].file)
    taken = shutil.move(file, tmp_path)
    before = np.asarray(sources.load(name, root=taken).images)
    (tmp_path / 'empty').mkdir()
    with open(file, 'wb') as another:
        another.write(b'of another version')
    found = sources.load(name, root=str(tmp_path / 'empty')).images
    np.testing.assert_array_equal(found, before)
    assert 'converted before' in capsys.readouterr().err


@pytest.mark.parametrize('text', ['localhost/folder', 'file:///folder',
                                  'http://', 'http:/localhost', 'htp://x/y'])
def test_a_mirror_that_is_no_address(monkeypatch, text):
    monkeypatch.setenv(downloads.MIRROR, text)
    with pytest.raises(sources.DataError, match='TOPDIS_JAX_MIRROR must be '
                       f'http://HOST/FOLDER or .* received {text!r}'):
        sources.load('dsprites')


@pytest.mark.parametrize('text', ['', '  '])
def test_an_empty_mirror_is_none(monkeypatch, text):
    monkeypatch.setenv(downloads.MIRROR, text)
    published = sources.table.PUBLISHED['shapes3d']
    assert downloads.address(published, published.file) == published.url


def _raise(number, *args, **options):
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize('function', ['makedirs', 'replace'])
def test_a_folder_that_cannot_be_written_to(mirror, monkeypatch, number,
                                            function):
    monkeypatch.setattr(downloads.os, function,
                        functools.partial(_raise, number))
    with pytest.raises(sources.DataError, match='cannot write mpi3d_toy.npz to'
                       f'.*{os.strerror(number)}.*data.root=FOLDER'):
        sources.load('mpi3d_toy')


class _FullDisk(io.FileIO):
    """A file on a disk that has room for 100 bytes more."""

    def write(self, data):
        super().write(data[:100])
        _raise(errno.ENOSPC)


def test_a_disk_that_fills_up_keeps_what_came(mirror, monkeypatch):
    with monkeypatch.context() as patches:
        patches.setattr(transfers, 'open', _FullDisk, raising=False)
        with pytest.raises(sources.DataError, match='No space left'):
            sources.load('mpi3d_toy')
    assert os.path.getsize(os.path.join(
        downloads.folder(), 'mpi3d_toy.npz.part')) == 100
    sources.load('mpi3d_toy')
    assert mirror.requests[-1] == ('/mpi3d_toy.npz', 'bytes=100-')


def test_a_damaged_download_can_be_fetched_again(mirror):
    """No checksum is known: the reader finds it, from then on at each call."""
    right = mirror.files['mpi3d_toy.npz']
    wrong = bytearray(right)
    wrong[len(right) // 2] ^= 1
    mirror.files['mpi3d_toy.npz'] = bytes(wrong)
    path = os.path.join(downloads.folder(), 'mpi3d_toy.npz')
    for _ in range(2):
        with pytest.raises(sources.DataError, match='cannot be read .*Once '
                           f'{path} is deleted, the same command downloads it'):
            sources.load('mpi3d_toy')
    with pytest.raises(sources.DataError, match='of its page$'):
        sources.load('mpi3d_toy', download=False)
    assert len(mirror.requests) == 1
    mirror.files['mpi3d_toy.npz'] = right
    os.remove(path)
    sources.load('mpi3d_toy')


def test_into_the_folder_that_is_given(mirror, tmp_path):
    (tmp_path / 'data').mkdir()
    sources.load('mpi3d_toy', root=str(tmp_path / 'data'))
    assert os.listdir(tmp_path / 'data') == ['mpi3d_toy.npz']


def test_a_download_can_be_forbidden(mirror):
    with pytest.raises(sources.DataError) as error:
        sources.load('mpi3d_toy', download=False)
    assert 'download=False) forbids' in str(error.value)
    assert not mirror.requests


@pytest.mark.parametrize('name', ['celeba', 'faces3d'])
def test_what_cannot_be_fetched_is_not_asked_for(mirror, name):
    with pytest.raises(sources.DataError, match='not on this machine'):
        sources.load(name)
    assert not mirror.requests


def test_without_a_network_three_ways_are_told_in_time(tmp_path):
    start = time.monotonic()
    with pytest.raises(sources.DataError) as error:
        sources.load('mpi3d_toy')
    assert time.monotonic() - start < 5
    message = str(error.value)
    assert 'localhost:9/mpi3d_toy.npz cannot be reached' in message
    assert message.count('\n') == 3 and '3. A stand-in' in message


def _archive():
    """The bytes of an .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, images=np.frombuffer(CONTENT, np.uint8))
    return buffer.getvalue()


def _load(folder, results):
    """A process of its own, as on another host."""
    os.environ['XDG_CACHE_HOME'] = folder
    from topdis_jax.data.published import downloads, table
    path = downloads.fetch(table.PUBLISHED['mpi3d_toy'], None)
    results.put(os.path.getsize(path))


@pytest.mark.parametrize('shared', [True, False])
def test_processes_share_a_folder_or_fetch_each(server, tmp_path, monkeypatch,
                                                shared):
    content = _archive()
    server.files['mpi3d_toy.npz'] = content
    monkeypatch.setenv(downloads.MIRROR, server.url)
    spawn = multiprocessing.get_context('spawn')
    results = spawn.Queue()
    workers = [spawn.Process(target=_load, args=(
        str(tmp_path / ('cache' if shared else f'cache{i}')), results))
        for i in range(2)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [len(content)] * 2
    for worker in workers:
        worker.join()
    assert len(server.requests) == (1 if shared else 2)


def _fetching(tmp_path):
    """A program that fetches a file into the shared cache, once it is told.

    Imports may take any time, so they come before.
    """
    return subprocess.Popen(
        [sys.executable, '-c', 'from topdis_jax.data.published import '
         'downloads, table; '
         'from topdis_jax import progress; '
         'print("ready", flush=True); input(); '
         'downloads.fetch(table.PUBLISHED["mpi3d_toy"], None)'],
        cwd=_CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache')})


def _tell(program):
    """Lets a program of `_fetching` begin."""
    program.stdin.write('\n')
    program.stdin.flush()


def _wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM,
                                    signal.SIGKILL])
def test_a_program_that_is_stopped_goes_on(server, tmp_path, monkeypatch,
                                           number):
    """Another one, which waits, goes on at once; or the same, again."""
    content = _archive()
    server.files['mpi3d_toy.npz'] = content
    server.cut, server.silent = 1000, True
    monkeypatch.setenv(downloads.MIRROR, server.url)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = os.path.join(downloads.folder(), 'mpi3d_toy.npz')
    with _fetching(tmp_path) as first, _fetching(tmp_path) as second:
        for program in (first, second):
            assert program.stdout.readline() == 'ready\n'
        _tell(first)
        _wait_until(lambda: _size(path + '.part') == 1000)
        server.cut, server.silent = None, False
        _tell(second)
        assert 'is downloading mpi3d_toy: waiting' in second.stderr.readline()
        first.send_signal(number)
        assert second.wait(60) == 0
        assert first.wait(60) != 0
    with open(path, 'rb') as file:
        assert file.read() == content
    assert os.listdir(downloads.folder()) == ['mpi3d_toy.npz']
    assert server.requests == [('/mpi3d_toy.npz', None),
                               ('/mpi3d_toy.npz', 'bytes=1000-')]


def test_the_command_says_it_in_one_message(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'experiments.run',
         '--config=experiments/configs/mpi3d.py'], cwd=_CHECKOUT,
        capture_output=True, text=True)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len([line for line in lines if 'not on this machine' in line]) == 1
    assert 'Traceback' not in done.stderr


def test_google_drive_is_asked_for_the_file_itself(monkeypatch):
    monkeypatch.delenv(downloads.MIRROR)
    published = sources.table.PUBLISHED
    assert downloads.address(
        published['mpi3d_complex'], published['mpi3d_complex'].file) == (
        'https://drive.usercontent.google.com/download?export=download'
        '&confirm=t&id=1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm')
    assert downloads.address(
        published['mpi3d_toy'], 'mpi3d_toy.npz').endswith('/mpi3d_toy.npz')
