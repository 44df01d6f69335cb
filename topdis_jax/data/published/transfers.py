"""One file over HTTP: with progress, resumed where it was cut, checked."""

from collections.abc import Callable
import contextlib
import errno
import hashlib
import http.client
import os
import shutil
import sys
import threading
from typing import Any
import urllib.error
import urllib.request

from topdis_jax.data.store import cache

# Seconds until an address must have answered, and between two parts of a file.
ANSWER, SILENCE = 4.0, 60.0
_BLOCK = 2 ** 20
_SPARE = 2 ** 26  # bytes that stay free


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
      TransferError: no answer within ANSWER seconds, an error of the server,
        silence, a file that is cut short, or another content than expected.
      OSError: the folder cannot be written to, or is full.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = path + '.part'
    begin = os.path.getsize(part) if os.path.exists(part) else 0
    response = _open(url, begin)
    with contextlib.closing(response):
        if response.status != http.client.PARTIAL_CONTENT:
            begin = 0  # the server sends all of it
        _refuse_page(url, response)
        total = _length(response, begin)
        print(f'Downloading {url}\n  '
              + (f'{cache.in_words(total)} ' if total else '')
              + f'to {path}' + (f', from byte {begin} on' if begin else ''),
              file=sys.stderr, flush=True)
        _check_space(path, (total or 0) - begin)
        _copy(response, part, begin, total)
    _check(part, total, sha256)
    os.replace(part, path)


def _open(url, begin):
    """The answer to a request for the file from byte `begin` on."""
    headers = {'User-Agent': 'topdis_jax', 'Accept-Encoding': 'identity'}
    if begin:
        headers['Range'] = f'bytes={begin}-'
    try:
        return _within(ANSWER, lambda: urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=ANSWER))
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0)  # the part is of another file
        raise TransferError(f'{url} answers {error.code} {error.reason}'
                            ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, 'reason', None) or error
        raise TransferError(f'{url} cannot be reached ({reason})') from error


def _within(seconds, function: Callable[[], Any]) -> Any:
    """What a function returns, or TimeoutError.

    The search for a host's address knows no limit of its own.
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
    if not results:
        raise TimeoutError(f'no answer within {seconds:g} seconds')
    result, error = results[0]
    if error is not None:
        raise error
    return result


def _refuse_page(url, response):
    """Raises TransferError for a web page in place of a file."""
    kind = response.headers.get_content_type()
    if kind in ('text/html', 'application/xhtml+xml'):
        raise TransferError(f'{url} answers with a web page, not with the '
                            'file: get it there with a browser')


def _length(response, begin):
    """Bytes of the whole file, or None."""
    length = response.headers.get('Content-Length')
    return None if length is None else begin + int(length)


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
            bar.update(len(block))


def _check(part, total, sha256):
    size = os.path.getsize(part)
    if total is not None and size < total:
        raise TransferError(
            f'the download ended after {size} of {total} bytes; the same '
            'command goes on from there')
    if not sha256:
        return
    with open(part, 'rb') as file:
        found = hashlib.file_digest(file, 'sha256').hexdigest()
    if found != sha256:
        os.remove(part)
        raise TransferError(
            f'what came has the SHA-256 {found}, expected {sha256}: it is '
            'another file, or was changed on its way; it is deleted')
