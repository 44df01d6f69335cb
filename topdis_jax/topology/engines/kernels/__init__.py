"""The compiled part of the persistence engine: see `host`.

Notation. `keys[i, j]` is an edge's place in the order of edges, by (lower
value, i, j): the bits of the value (those of floats that are not negative
increase with the float), then the two ends, 16 bits each. An edge's `name` is
the latter alone. A relation is a pair of integers, ordered as such:

    triangle      (key of its youngest edge, the vertex opposite to that edge)
    cap of an edge    (bits of its upper value << 32, name of the edge)

so that a cap comes before the triangles of equal value. Edges are columns:
the coboundary of an edge is its cap and the triangles that contain it. It is
never stored; `triangles.next_triangle` finds its next member by one scan.

There are two ways to a barcode. `cohomology` reduces columns, and is the
faster one where bars end soon after they begin. Its columns can grow without
a useful bound, so `homology` takes over once they have cost too much: it
takes the relations in order of their values, as bit sets over the edges that
can give a bar, which costs at most a small multiple of n^3 / 64 on clouds of
points. Both give the same bars, entry by entry.

    engine, handler   what Python and XLA call
    barcodes          which way is taken
    cohomology        the first way, with columns, reduction, limits
    homology          the second way, with buckets, caps, witnesses, sums,
                      pivots
    candidates, triangles, edges, matrices    what both ways need
    trees             spanning trees
    arrays, bits, sorting, decorators, version    tools
"""
