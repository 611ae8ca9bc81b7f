# Every table and figure of five papers on self-supervised learning.
#
#   snakemake results/table8.csv            one artifact, and only what it needs
#   snakemake                               all artifacts of the scale
#   snakemake --config scale=gpu            ... on one GPU, with real data


include: "rules/common.smk"
include: "rules/prepare.smk"
include: "rules/pretrain.smk"
include: "rules/measure.smk"
include: "rules/theory.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"


rule all:
    default_target: True
    input:
        BUILD.results(),
        BUILD.scorecards(),


rule datasets:
    input:
        BUILD.receipts("prepare"),


rule checkpoints:
    input:
        BUILD.receipts("pretrain"),


rule simulations:
    input:
        BUILD.receipts("simulate"),


rule measurements:
    input:
        BUILD.receipts("measure"),
