"""A paper of a user's own, in a folder of his."""

PAPER = """
paper: theirs
title: A paper of theirs
authors: somebody
year: 2027
defaults:
  encoder: {kind: tiny_conv, channels: [4, 8], strides: [1, 2]}
  projector: {kind: mlp, hidden: 16, out: 8}
  predictor: none
  target: {kind: same, stop_gradient: false}
  views: {kind: simclr, scale_min: 0.5}
  optimizer: {kind: sgd, lr: 0.05}
  batch_size: 32
methods:
  weak: {objective: {kind: repel, strength: 0.5}}
  strong: {objective: {kind: repel, strength: 2.0}}
measures:
  probe: {measure: {kind: linear_probe, epochs: 2}, value: top1_last, unit: "%"}
artifacts:
  ablation:
    title: How strongly to repel
    rows: {method: [weak, strong]}
    fixed: {dataset: marks, epochs: 1}
    measure: probe
    seeds: 1
    published: {file: theirs_ablation.csv}
"""
