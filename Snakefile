# Every table and figure of five papers on self-supervised learning.
#
#   snakemake results/table8.csv            one artifact, and only what it needs
#   snakemake                               all artifacts of the scale
#   snakemake --config scale=gpu            ... on one GPU, with real data


include: "rules/common.smk"
include: "rules/prepare.smk"
include: "rules/pretrain.smk"
include: "rules/probe.smk"
include: "rules/spectrum.smk"
include: "rules/ntk.smk"
include: "rules/timing.smk"
include: "rules/measure.smk"
include: "rules/simulate.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"


rule all:
    default_target: True
    input:
        BUILD.results(),
        BUILD.scorecards(),


rule datasets:
    input:
        BUILD.done("prepare"),


rule checkpoints:
    input:
        BUILD.done("pretrain"),


rule simulations:
    input:
        BUILD.done("simulate"),


rule measurements:
    input:
        BUILD.done("probe", "spectrum", "ntk", "timing", "measure"),
