# All seeds of a run through all their milestones: one process pays for importing torch.
rule pretrain:
    input:
        inputs_of("pretrain"),
    output:
        "jobs/pretrain/{config}.done",
    threads: threads_of("pretrain")
    resources:
        **demands_of("pretrain"),
        gpu=gpus_of("pretrain"),
    params:
        what=what_of("pretrain"),
        called=called_of("pretrain"),
    message:
        "pretrain {params.called}: {params.what}"
    shell:
        "python -m pipeline pretrain {output}"
