"""The five papers' theory as code: flows, closed forms and toy networks, in float64, without torch where it can be."""
