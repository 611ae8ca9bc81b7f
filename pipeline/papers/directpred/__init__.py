"""Tian, Chen, Ganguli 2021: the linear model with a predictor and an EMA target, as matrices and as decoupled modes.

Matrices: ``W`` (online) and ``Wa`` (target) are n2 x n1, ``Wp`` (predictor) n2 x n2; ``X`` is the covariance of the
mean views, ``X'`` the mean covariance of views around them. Modes: ``p`` is an eigenvalue of Wp, ``s`` one of
F = W X W^T, ``tau`` the ratio of target to online weight. Time is that of the flow: a step of size alpha lasts alpha.
"""
