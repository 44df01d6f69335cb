"""One file over HTTP: with progress, resumed where it was cut, checked."""

from collections.abc import Callable
import contextlib
import errno
import hashlib
import http.client
import os
import re
import shutil
import socket
import sys
import threading
from typing import Any
import urllib.error
import urllib.parse
import urllib.request
import zipfile

from topdis_jax.data.store import cache

# Seconds until a host must be connected, until an address must have answered,
# and between two parts of a file.
CONNECTION, ANSWER, SILENCE = 2.0, 10.0, 60.0
_BLOCK = 2 ** 20
_SPARE = 2 ** 26  # bytes that stay free
# The first bytes of a file, by the ending of its name.
_BEGINNINGS = {'.h5': b'\x89HDF', '.gz': b'\x1f\x8b'}


class TransferError(Exception):
    """A file did not come; the text says why."""


def fetch(url: str, path: str, sha256: str = '') -> None:
    """Downloads a file, which appears at `path` whole or not at all.

    What has come so far lies in PATH.part; a later call goes on from there, if
    the server can.

    Args:
      url: http or https.
      path: of the file.
      sha256: of the file, in hexadecimal; '' if it is not known.

    Raises:
      TransferError: the host cannot be connected within CONNECTION seconds, no
        answer within ANSWER seconds, an error of the server, silence, a file
        that is cut short, or another content than expected.
      OSError: the folder cannot be written to, or is full.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = path + '.part'
    begin = os.path.getsize(part) if os.path.exists(part) else 0
    response, begin = _open(url, begin)
    with contextlib.closing(response):
        _refuse_page(url, response)
        total = _length(url, response, begin)
        print(f'Downloading {url}\n  '
              + (f'{cache.in_words(total)} ' if total else '')
              + f'to {path}' + (f', from byte {begin} on' if begin else ''),
              file=sys.stderr, flush=True)
        _check_space(path, (total or 0) - begin)
        _copy(response, part, begin, total)
    _check(part, path, total, sha256)
    os.replace(part, path)


def _open(url, begin):
    """The response that has the file from a byte on, and that byte.

    It is `begin`, or 0 where the server cannot go on from there.
    """
    headers = {'User-Agent': 'topdis_jax', 'Accept-Encoding': 'identity'}
    if begin:
        headers['Range'] = f'bytes={begin}-'
    try:
        _within(CONNECTION, lambda: _connect(url))
        response = _within(ANSWER, lambda: _opener().open(
            urllib.request.Request(url, headers=headers), timeout=ANSWER))
    except urllib.error.HTTPError as error:
        if begin and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0)  # the part is of another file
        raise TransferError(f'{url} answers {error.code} '
                            f'{_one_line(error.reason)}') from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, 'reason', None) or error
        raise TransferError(
            f'{url} cannot be reached ({_one_line(reason)})') from error
    if response.status == http.client.OK:
        return response, 0  # the server sends all of it
    if _continues(response, begin):
        return response, begin
    response.close()
    if begin:
        return _open(url, 0)
    raise TransferError(f'{url} answers {response.status} '
                        f'{_one_line(response.reason)}')


def _opener():
    """An opener of http and https alone, also where an address leads."""
    opener = urllib.request.OpenerDirector()
    for handler in (
            urllib.request.ProxyHandler, urllib.request.UnknownHandler,
            urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
            urllib.request.HTTPDefaultErrorHandler,
            urllib.request.HTTPRedirectHandler,
            urllib.request.HTTPErrorProcessor):
        opener.add_handler(handler())
    return opener


def _connect(url):
    """Raises OSError if the host, or the proxy before it, is not there.

    Without a network this is known sooner than an answer may take.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ('http', 'https'):
        return  # the request says what is wrong
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urllib.parse.urlsplit(
            proxy if '//' in proxy else f'//{proxy}')
    if parts.hostname:
        port = parts.port or (443 if parts.scheme == 'https' else 80)
        socket.create_connection((parts.hostname, port), CONNECTION).close()


def _continues(response, begin):
    """Whether a response has the rest of the file, from byte `begin` on."""
    if response.status != http.client.PARTIAL_CONTENT:
        return False
    found = re.fullmatch(r'bytes (\d+)-(\d+)/(\d+|\*)',
                         response.headers.get('Content-Range', '').strip())
    if not found or int(found[1]) != begin:
        return False
    return found[3] == '*' or int(found[2]) + 1 == int(found[3])


def _one_line(text):
    """What a server says, without line breaks and control characters."""
    return ' '.join(''.join(letter if letter.isprintable() else ' '
                            for letter in str(text)).split())


def _within(seconds, function: Callable[[], Any]) -> Any:
    """What a function returns, or TimeoutError.

    The search for a host's address knows no limit of its own. Where a
    connection has the same limit, either may come first.
    """
    results: list[Any] = []

    def run():
        try:
            results.append((function(), None))
        except BaseException as error:  # handed on below
            results.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    result, error = results[0] if results else (None, TimeoutError())
    if isinstance(getattr(error, 'reason', error), TimeoutError):
        raise TimeoutError(f'no answer within {seconds:g} seconds') from error
    if error is not None:
        raise error
    return result


def _refuse_page(url, response):
    """Raises TransferError for a web page in place of a file."""
    kind = response.headers.get_content_type()
    if kind in ('text/html', 'application/xhtml+xml'):
        raise TransferError(f'{url} answers with a web page, not with the '
                            'file: get it there with a browser')


def _length(url, response, begin):
    """Bytes of the whole file, or None."""
    length = response.headers.get('Content-Length')
    if length is None:
        return None
    if not re.fullmatch(r'[0-9]+', length.strip()):
        raise TransferError(f'{url} answers with a wrong Content-Length: '
                            f'{_one_line(length)}')
    return begin + int(length)


def _check_space(path, needed):
    folder = os.path.dirname(path)
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise OSError(
            errno.ENOSPC, f'{cache.in_words(needed)} are needed and '
            f'{cache.in_words(free)} are free', folder)


def _copy(response, part, begin, total):
    from topdis_jax import progress  # loads tqdm

    # The connection is open; from now on silence counts.
    with contextlib.suppress(AttributeError):
        response.fp.raw._sock.settimeout(SILENCE)
    with open(part, 'ab' if begin else 'wb') as file, progress.Bar(
            desc='Downloading', total=total, initial=begin, unit='B',
            unit_scale=True) as bar:
        while True:
            try:
                block = response.read1(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise TransferError(
                    f'the download broke off after {file.tell()} bytes '
                    f'({error}); the same command goes on from there'
                ) from error
            if not block:
                return
            file.write(block)
            file.flush()  # a program that is killed keeps all that came
            bar.update(len(block))


def _check(part, path, total, sha256):
    """Raises TransferError if what came is not the file."""
    size = os.path.getsize(part)
    if total is not None and size < total:
        raise TransferError(
            f'the download ended after {size} of {total} bytes; the same '
            'command goes on from there')
    what = _difference(part, os.path.splitext(path)[1], sha256)
    if what:
        os.remove(part)
        raise TransferError(
            f'what came {what}: it is another file, or was changed on its '
            'way; it is deleted')


def _difference(part, ending, sha256):
    """What tells a file from the one that is expected, or ''."""
    with open(part, 'rb') as file:
        if sha256:
            found = hashlib.file_digest(file, 'sha256').hexdigest()
            return '' if found == sha256 else (
                f'has the SHA-256 {found}, expected {sha256}')
        right = (zipfile.is_zipfile(file) if ending in ('.npz', '.zip') else
                 file.read(8).startswith(_BEGINNINGS.get(ending, b'')))
    return '' if right else f'is no {ending} file'
