"""One file over HTTP, from a local server that misbehaves."""

import hashlib
import os
import socket
import time
import urllib.error

import numpy as np
import pytest

from tests.helpers import file_server
from topdis_jax.data.published import transfers

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 3 * 2 ** 20,
                                                  dtype=np.uint8))


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


@pytest.mark.parametrize('part', ['CONNECTION', 'ANSWER'])
def test_no_answer_is_told_in_time(monkeypatch, tmp_path, part):
    monkeypatch.setattr(transfers, part, 0.2)
    if part == 'CONNECTION':  # as where names are not resolved
        monkeypatch.setattr(socket, 'create_connection',
                            lambda *args: time.sleep(5))
    start = time.monotonic()
    with socket.create_server(('localhost', 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(transfers.TransferError, match='cannot be reached '
                           '.no answer within 0.2 s'):
            transfers.fetch(f'http://localhost:{port}/file',
                            str(tmp_path / 'file'))
    assert time.monotonic() - start < 2


@pytest.mark.parametrize('error', [
    TimeoutError('timed out'), urllib.error.URLError(TimeoutError())])
def test_a_limit_of_the_connection_itself_is_told_alike(monkeypatch, tmp_path,
                                                        error):
    def connect(*args):
        raise error

    monkeypatch.setattr(socket, 'create_connection', connect)
    with pytest.raises(transfers.TransferError,
                       match='cannot be reached .no answer within 2 seconds'):
        transfers.fetch('http://localhost:9/file', str(tmp_path / 'file'))


def test_a_proxy_is_connected_in_place_of_the_host(server, tmp_path,
                                                   monkeypatch):
    monkeypatch.setenv('http_proxy', server.url)
    monkeypatch.setenv('no_proxy', '')
    server.files['http://nowhere.invalid/file'] = CONTENT
    transfers.fetch('http://nowhere.invalid/file', str(tmp_path / 'file'))
    assert (tmp_path / 'file').read_bytes() == CONTENT


def _answer(status, *headers, body=b''):
    lines = [f'HTTP/1.1 {status}', *headers, '', '']
    return '\r\n'.join(lines).encode() + body


@pytest.mark.parametrize('answer,message', [
    (_answer('204 No Content'), 'answers 204 No Content'),
    (_answer('500 Oh'), 'answers 500 Oh'),
    (_answer('503 Service Unavailable'), 'answers 503'),
    (_answer('416 Wrong Range'), 'answers 416 Wrong Range'),
    (_answer('206 Partial Content', 'Content-Length: 1', body=b'x'),
     'answers 206'),
    (_answer('200 OK', 'Content-Length: many', body=b'x'),
     'wrong Content-Length: many'),
    (_answer('200 OK', 'Content-Length: -4', body=b'x'),
     'wrong Content-Length: -4'),
    (_answer('200 OK', 'Content-Length: 9', body=b'x'),
     'ended after 1 of 9 bytes'),
    (_answer('200 OK', 'Transfer-Encoding: chunked', body=b'9\r\nabc'),
     'broke off after'),
    (_answer('200 OK', 'Content-Length: 0'), 'is no .npz file'),
    (_answer('200 OK', 'Content-Length: 13', body=b'<html></html>'),
     'is no .npz file'),
    (_answer('302 Found', 'Location: /file.npz'), 'infinite loop'),
    (_answer('302 Found', 'Location: file:///etc/hosts'), 'not allowed'),
    (_answer('302 Found', 'Location: ftp://localhost/x'), 'type: ftp'),
    (_answer('302 Found'), 'answers 302 Found'),
    (b'\0\1\2 noise\n\n', 'cannot be reached'),
    (b'', 'cannot be reached')])
@pytest.mark.parametrize('begun', [False, True])
def test_wrong_answers(server, tmp_path, answer, message, begun):
    server.answers['/file.npz'] = answer
    if begun:
        (tmp_path / 'file.npz.part').write_bytes(CONTENT[:100])
    with pytest.raises(transfers.TransferError, match=message) as error:
        transfers.fetch(f'{server.url}/file.npz', str(tmp_path / 'file.npz'))
    assert str(error.value).isprintable()
    assert not (tmp_path / 'file.npz').exists()


@pytest.mark.parametrize('where', ['bytes 50-{end}/{size}',
                                   'bytes 100-149/{size}', 'lines 1-2/3'])
def test_another_part_than_asked_for_is_not_joined(server, tmp_path, where):
    size = len(CONTENT)
    (tmp_path / 'file.part').write_bytes(CONTENT[:100])
    server.answers['/file'] = _answer(
        '206 Partial Content', 'Content-Range: '
        + where.format(end=size - 1, size=size), body=CONTENT[50:])
    with pytest.raises(transfers.TransferError, match='answers 206'):
        transfers.fetch(f'{server.url}/file', str(tmp_path / 'file'))
    # First from there on, then all of it.
    assert [asked for _, asked in server.requests] == ['bytes=100-', None]


@pytest.mark.parametrize('ending,content', [
    ('.npz', b'PK'), ('.zip', b'Google Drive'), ('.h5', b'<!doctype html>'),
    ('.gz', b'{"error": 403}')])
def test_content_of_another_kind_is_refused_and_deleted(server, tmp_path,
                                                        ending, content):
    server.files['file' + ending] = content
    with pytest.raises(transfers.TransferError, match=f'is no {ending} file'):
        transfers.fetch(f'{server.url}/file{ending}',
                        str(tmp_path / f'file{ending}'))
    assert not os.listdir(tmp_path)
