"""Directions of variation in a generator that is already trained."""

from topdis_jax.directions.search import Directions
from topdis_jax.directions.search import find
from topdis_jax.directions.search import measure
from topdis_jax.directions.shifts import Measured

__all__ = ('Directions', 'Measured', 'find', 'measure')
