"""Rendered data sets: computed from their factors, no files needed."""

import os

from topdis_jax.data.factors import FactorDataset
from topdis_jax.data.rendered import scenes, sprites
from topdis_jax.data.store import cache

_MODULES = (sprites, scenes)
GRIDS = {name: grid for module in _MODULES
         for name, grid in module.GRIDS.items()}


def load(name: str) -> FactorDataset:
    """Loads a rendered data set from the cache, or renders it now.

    The cache is $XDG_CACHE_HOME/topdis_jax, or ~/.cache/topdis_jax. A damaged
    file there (after a power cut, for example) is rendered again.

    Args:
      name: a key of GRIDS.

    Raises:
      OSError: the cache folder cannot be written to, or cannot be read.
    """
    (module,) = [module for module in _MODULES if name in module.GRIDS]
    grid = module.GRIDS[name]
    path = os.path.join(cache.folder(), f'{name}-v{module.VERSION}.npy')
    images = cache.get_or_create(
        path, grid.shape, name, lambda: cache.open_array(path, grid.shape),
        lambda: module.render(name, grid))
    return FactorDataset(name, images, grid.factor_names, grid.factor_sizes)
