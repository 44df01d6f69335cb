"""Names that were misspelled."""

from topdis_jax import suggestions


def test_the_nearest_name():
    known = ('mig', 'dci', 'factor_vae')
    assert suggestions.nearest('mgi', known) == 'mig'
    assert suggestions.nearest('elephant', known) is None
    assert suggestions.nearest(3, known) is None
    assert suggestions.did_you_mean('factor-vae', iter(known)) == (
        '. Did you mean factor_vae?')
    assert suggestions.did_you_mean('elephant', known) == ''
