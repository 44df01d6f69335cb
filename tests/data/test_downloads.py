"""Published files are fetched: from a local server, which misbehaves too."""

import hashlib
import multiprocessing
import os
import shutil
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


def _fetch(server, tmp_path, **options):
    path = str(tmp_path / 'new' / 'file')
    transfers.fetch(f'{server.url}/file', path, **options)
    with open(path, 'rb') as file:
        assert file.read() == CONTENT
    assert os.listdir(tmp_path / 'new') == ['file']


def test_address_size_and_folder_come_first(server, tmp_path, capsys):
    _fetch(server, tmp_path, sha256=hashlib.sha256(CONTENT).hexdigest())
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert first == f'Downloading {server.url}/file'
    assert second.split() == ['3', 'MiB', 'to', str(tmp_path / 'new/file')]


@pytest.mark.parametrize('ranges', [True, False])
def test_what_was_cut_goes_on(server, tmp_path, ranges):
    server.cut, server.ranges = 2 ** 21, ranges
    with pytest.raises(transfers.TransferError, match='goes on from there'):
        _fetch(server, tmp_path)
    assert os.listdir(tmp_path / 'new') == ['file.part']
    assert os.path.getsize(tmp_path / 'new/file.part') == 2 ** 21
    server.cut = None
    _fetch(server, tmp_path)
    assert server.requests == [('/file', None), ('/file', 'bytes=2097152-')]


def test_a_part_of_another_file_is_dropped(server, tmp_path):
    (tmp_path / 'new').mkdir()
    (tmp_path / 'new/file.part').write_bytes(bytes(len(CONTENT) + 9))
    _fetch(server, tmp_path)


def test_another_content_is_refused_and_deleted(server, tmp_path):
    with pytest.raises(transfers.TransferError, match='SHA-256 .* expected 00'):
        _fetch(server, tmp_path, sha256='00')
    assert not os.listdir(tmp_path / 'new')


def test_redirects_are_followed(server, tmp_path):
    server.redirects['/old'] = f'{server.url}/file'
    transfers.fetch(f'{server.url}/old', str(tmp_path / 'file'))
    assert (tmp_path / 'file').read_bytes() == CONTENT


def test_what_is_not_there(server, tmp_path):
    with pytest.raises(transfers.TransferError, match='answers 404'):
        transfers.fetch(f'{server.url}/other', str(tmp_path / 'file'))


def test_a_web_page_is_no_file(server, tmp_path):
    server.content_type = 'text/html; charset=utf-8'
    with pytest.raises(transfers.TransferError, match='web page.*browser'):
        transfers.fetch(f'{server.url}/file', str(tmp_path / 'file'))


def test_silence_ends_and_keeps_what_came(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfers, 'SILENCE', 0.3)
    server.cut, server.silent = 2 ** 20, True
    with pytest.raises(transfers.TransferError, match='broke off after 1048'):
        _fetch(server, tmp_path)
    server.cut, server.silent = None, False
    _fetch(server, tmp_path)
    assert server.requests[-1] == ('/file', 'bytes=1048576-')


def test_no_answer_is_told_in_time(monkeypatch, tmp_path):
    monkeypatch.setattr(transfers, 'ANSWER', 0.2)
    monkeypatch.setattr(transfers.urllib.request, 'urlopen',
                        lambda *args, **options: time.sleep(5))
    start = time.monotonic()
    with pytest.raises(transfers.TransferError, match='cannot be reached'):
        transfers.fetch('http://localhost/file', str(tmp_path / 'file'))
    assert time.monotonic() - start < 2


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


def _load(folder, results):
    """A process of its own, as on another host."""
    os.environ['XDG_CACHE_HOME'] = folder
    from topdis_jax.data.published import downloads, table
    path = downloads.fetch(table.PUBLISHED['mpi3d_toy'], None)
    results.put(os.path.getsize(path))


@pytest.mark.parametrize('shared', [True, False])
def test_processes_share_a_folder_or_fetch_each(server, tmp_path, monkeypatch,
                                                shared):
    server.files['mpi3d_toy.npz'] = CONTENT
    monkeypatch.setenv(downloads.MIRROR, server.url)
    spawn = multiprocessing.get_context('spawn')
    results = spawn.Queue()
    workers = [spawn.Process(target=_load, args=(
        str(tmp_path / ('cache' if shared else f'cache{i}')), results))
        for i in range(2)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [len(CONTENT)] * 2
    for worker in workers:
        worker.join()
    assert len(server.requests) == (1 if shared else 2)


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
