# Linear probe and k-NN of a run's checkpoints: features are extracted once per checkpoint.
rule probe:
    input:
        inputs_of("probe"),
    output:
        "jobs/probe/{config}.done",
    threads: threads_of("probe")
    resources:
        **demands_of("probe"),
        gpu=gpus_of("probe"),
    params:
        what=what_of("probe"),
        called=called_of("probe"),
    message:
        "probe {params.called}: {params.what}"
    shell:
        "python -m pipeline probe {output}"
