"""Fetches the published files that can be fetched, each once."""

import contextlib
import os
import re
import urllib.parse

from topdis_jax import files
from topdis_jax.data.errors import DataError, option
from topdis_jax.data.published import transfers
from topdis_jax.data.published.table import PublishedDataset
from topdis_jax.data.store import cache

# Where files are taken from in place of their published folders.
MIRROR = 'TOPDIS_JAX_MIRROR'


def folder() -> str:
    """Where files go that have no other place: `published` in the cache."""
    return os.path.join(cache.folder(), 'published')


def fetch(published: PublishedDataset, root: str | None) -> str:
    """Downloads a data set's file and returns its path.

    Of several processes that share the folder one downloads and the others
    wait; where they share none, each has its own file.

    Args:
      published: the data set, with a url.
      root: folder for the file; None, or what is no folder: see `folder`.

    Raises:
      DataError: it cannot be had; the message says why.
    """
    place = root if root and os.path.isdir(root) else folder()
    wanted = ((published.file, published.sha256), *published.more_files)
    urls = [address(published, name) for name, _ in wanted]
    path = os.path.join(os.path.abspath(place), published.file)
    try:
        os.makedirs(place, exist_ok=True)
        with open(path + '.lock', 'ab') as lock:
            files.lock(lock, f'downloading {published.name}')
            for url, (name, sha256) in zip(urls, wanted):
                to = os.path.join(os.path.dirname(path), name)
                if not os.path.exists(to):  # nor has another process made it
                    transfers.fetch(url, to, sha256)
            # Those that wait for it find the file.
            with contextlib.suppress(OSError):
                os.remove(lock.name)
        return path
    except transfers.TransferError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(
            f'cannot write {published.file} to {place} ({error.strerror}); '
            f'give a folder with {option("root=FOLDER")}, or another cache '
            'with XDG_CACHE_HOME') from error


def address(published: PublishedDataset, name: str) -> str:
    """The published address of one of its files, or that at the mirror.

    Raises:
      DataError: the mirror is no address.
    """
    mirror = os.environ.get(MIRROR, '').strip()
    if mirror:
        if not re.match(r'https?://[^/\s]', mirror, re.IGNORECASE):
            raise DataError(f'{MIRROR} must be http://HOST/FOLDER or https://'
                            f'HOST/FOLDER, received {mirror!r}')
        return f'{mirror.rstrip("/")}/{name}'
    return _direct(published.url.replace(published.file, name))


def _direct(url):
    """Of a file on Google Drive, the address that asks no question first.

    The one for browsers answers with a page where a file is large.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.hostname != 'drive.google.com':
        return url
    name, = urllib.parse.parse_qs(parts.query)['id']
    return ('https://drive.usercontent.google.com/download?export=download'
            f'&confirm=t&id={name}')
