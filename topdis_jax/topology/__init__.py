"""Distances, barcodes and the topology divergence RTD."""

from topdis_jax.topology import persistence
from topdis_jax.topology.barcode import Barcode
from topdis_jax.topology.barcode import relative_barcode
from topdis_jax.topology.barcode import rips_barcode
from topdis_jax.topology.distances import pairwise_distances
from topdis_jax.topology.distances import scale_by_quantile
from topdis_jax.topology.divergences import rtd
from topdis_jax.topology.symmetrize import symmetrize

__all__ = (
    'Barcode',
    'pairwise_distances',
    'persistence',
    'relative_barcode',
    'rips_barcode',
    'rtd',
    'scale_by_quantile',
    'symmetrize',
)
