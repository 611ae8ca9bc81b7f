# A data set as one checksummed array file.
rule prepare:
    input:
        inputs_of("prepare"),
    output:
        "jobs/prepare/{dataset}.done",
    # nodes of a cluster often see no network
    localrule: True
    params:
        what=what_of("prepare"),
    message:
        "prepare {wildcards.dataset}: {params.what}"
    shell:
        "python -m pipeline prepare {output}"
