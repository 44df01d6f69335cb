"""Compiled programs are kept: a second start need not compile them again."""

import contextlib
import os

import jax

from topdis_jax.data.store import cache


def keep() -> None:
    """Turns on JAX's persistent compilation cache, in the cache folder.

    JAX's own settings come first: JAX_COMPILATION_CACHE_DIR names another
    folder, JAX_ENABLE_COMPILATION_CACHE=false turns it off. A folder that
    cannot be written to is no reason to stop.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        return
    folder = os.path.join(cache.folder(), 'compiled')
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        if os.access(folder, os.W_OK):
            jax.config.update('jax_compilation_cache_dir', folder)
