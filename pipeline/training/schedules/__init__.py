"""Learning-rate schedules: multiplier of the learning rate as a function of the epochs done."""
