"""Data sets of images with known factors: load one by its name."""

from topdis_jax.data.errors import DataError
from topdis_jax.data.factors import FactorDataset
from topdis_jax.data.sources import load

__all__ = ['DataError', 'FactorDataset', 'load']
