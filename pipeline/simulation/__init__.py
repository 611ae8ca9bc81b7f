"""Stage ``simulate``: what a paper's simulation gives, as records and curves. The simulations are the papers' own."""
