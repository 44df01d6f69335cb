"""Scores of disentanglement: NumPy arrays in, numbers out."""

from topdis_jax.metrics.mig import mig

__all__ = ('mig',)
