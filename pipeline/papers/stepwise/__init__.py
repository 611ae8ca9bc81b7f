"""Simon 2023: stepwise learning of linear Barlow Twins, its kernel form, and what symmetry has to do with it."""
