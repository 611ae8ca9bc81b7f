"""Networks: encoders, projectors, predictors, targets, and how they are put together."""
