"""Directions of variation in a generator that is already trained."""

from topdis_jax.directions.search import Directions
from topdis_jax.directions.search import find

__all__ = ('Directions', 'find')
