"""The compiled part of the persistence engine: see `host`.

Notation. `keys[i, j]` is an edge's place in the order of edges, by (lower
value, i, j): the bits of the value (those of floats that are not negative
increase with the float), then the two ends, 16 bits each. An edge's `name` is
the latter alone. A relation is a pair of integers (key, tie), in the order of
these:

    triangle      (key of its youngest edge, the vertex opposite to that edge)
    cap of an edge    (bits of its upper value << 32, name of the edge)

so that a cap comes before the triangles of equal value. Edges are columns:
the coboundary of an edge is its cap and the triangles that contain it. It is
never stored; `triangles.next_triangle` finds its next member by one scan.

A witness of an edge is a vertex of which both edges to the ends are older. Only
edges without one, the candidates, can give a bar. An edge is closed if its
lower and upper values are equal: it is zero from its birth on.

There are two ways to a barcode. `cohomology` reduces columns, and is the
faster one where bars end soon after they begin. Its columns can grow without
a useful bound, so `homology` takes over once they have cost too much
(`limits`): it takes the relations in order of their values, as bit sets over
the edges that can give a bar, which costs at most a small multiple of
n^3 / 64 on clouds of points. Both give the same bars, entry by entry.

In the order of reading:

    edges, candidates                   which edges can give a bar
    barcodes, matrices, limits          checks, and which way is taken
    cohomology, triangles, columns, reduction               the first way
    homology, sums, buckets, caps, witnesses, pivots        the second way
    trees                               spanning trees
    engine, handler                     what Python and XLA call
    arrays, bits, sorting, decorators, source_hash          tools
"""
