"""Plots of barcodes and divergences, and the pictures of a run."""

from topdis_jax.plots.curves import loss_curves
from topdis_jax.plots.figures import DPI  # noqa: F401
from topdis_jax.plots.figures import save
from topdis_jax.plots.images import reconstructions
from topdis_jax.plots.images import traversal_gif
from topdis_jax.plots.images import traversals
from topdis_jax.plots.runs import joint_histogram
from topdis_jax.plots.runs import plot_run
from topdis_jax.plots.topology import barcode
from topdis_jax.plots.topology import cross_barcode
from topdis_jax.plots.topology import divergence_matrix
from topdis_jax.plots.topology import persistence_diagram

__all__ = (
    'barcode',
    'cross_barcode',
    'divergence_matrix',
    'joint_histogram',
    'loss_curves',
    'persistence_diagram',
    'plot_run',
    'reconstructions',
    'save',
    'traversal_gif',
    'traversals',
)
