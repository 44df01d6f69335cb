"""Scores of disentanglement: NumPy arrays in, numbers out."""

from topdis_jax.metrics.beta_vae import beta_vae
from topdis_jax.metrics.dci import DCI, dci
from topdis_jax.metrics.explicitness import explicitness
from topdis_jax.metrics.factor_vae import factor_vae
from topdis_jax.metrics.infomec import InfoMEC, infomec
from topdis_jax.metrics.irs import irs
from topdis_jax.metrics.mig import mig
from topdis_jax.metrics.modularity import modularity
from topdis_jax.metrics.sap import sap
from topdis_jax.metrics.udr import UDR, udr

__all__ = ('DCI', 'InfoMEC', 'UDR', 'beta_vae', 'dci', 'explicitness',
           'factor_vae', 'infomec', 'irs', 'mig', 'modularity', 'sap', 'udr')
