"""Persistent relative homology on the host: NumPy in and out, no JAX."""

from topdis_jax.topology.engines.host import barcode_entries
from topdis_jax.topology.engines.host import Bars
from topdis_jax.topology.engines.host import Entries
from topdis_jax.topology.engines.host import relative_h1

__all__ = ('Bars', 'Entries', 'barcode_entries', 'relative_h1')
