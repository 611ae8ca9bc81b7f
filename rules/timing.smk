# How long the training of a run takes on this machine.
rule timing:
    input:
        inputs_of("timing"),
    output:
        "jobs/timing/{config}.done",
    threads: threads_of("timing")
    resources:
        **demands_of("timing"),
        gpu=gpus_of("timing"),
    params:
        what=what_of("timing"),
        called=called_of("timing"),
    message:
        "timing {params.called}: {params.what}"
    shell:
        "python -m pipeline timing {output}"
