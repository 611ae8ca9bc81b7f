"""Objectives: pure functions of predictions and targets, one file each."""
