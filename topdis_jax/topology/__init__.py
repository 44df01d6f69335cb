"""Persistence barcodes of point clouds, and divergences made of them."""

from topdis_jax.topology import persistence
from topdis_jax.topology.barcode import Barcode
from topdis_jax.topology.barcode import relative_barcode
from topdis_jax.topology.barcode import rips_barcode
from topdis_jax.topology.comparison import compare
from topdis_jax.topology.comparison import Comparison
from topdis_jax.topology.distances import pairwise_distances
from topdis_jax.topology.distances import scale_by_quantile
from topdis_jax.topology.divergences import mtop_div
from topdis_jax.topology.divergences import rtd
from topdis_jax.topology.divergences import srtd
from topdis_jax.topology.lite import nts
from topdis_jax.topology.lite import rtd_lite
from topdis_jax.topology.lite import rtd_lite_barcode
from topdis_jax.topology.trees import minimax_paths
from topdis_jax.topology.trees import spanning_tree
from topdis_jax.topology.symmetrize import symmetrize

__all__ = (
    'Barcode',
    'Comparison',
    'compare',
    'minimax_paths',
    'mtop_div',
    'nts',
    'pairwise_distances',
    'persistence',
    'relative_barcode',
    'rips_barcode',
    'rtd',
    'rtd_lite',
    'rtd_lite_barcode',
    'scale_by_quantile',
    'spanning_tree',
    'srtd',
    'symmetrize',
)
