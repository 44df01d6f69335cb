"""Persistent homology of pairs of distance matrices, differentiable."""
