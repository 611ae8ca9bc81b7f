# Any other measure of a run's checkpoints, those of a user's own included.
rule measure:
    input:
        inputs_of("measure"),
    output:
        "jobs/measure/{config}.done",
    threads: threads_of("measure")
    resources:
        **demands_of("measure"),
        gpu=gpus_of("measure"),
    params:
        what=what_of("measure"),
        called=called_of("measure"),
    message:
        "measure {params.called}: {params.what}"
    shell:
        "python -m pipeline measure {output}"
