"""The cache folder: arrays that are written once, then memory-mapped."""
