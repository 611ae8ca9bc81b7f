# Spectra of embeddings, and of the predictor, at a run's checkpoints.
rule spectrum:
    input:
        inputs_of("spectrum"),
    output:
        "jobs/spectrum/{config}.done",
    threads: threads_of("spectrum")
    resources:
        **demands_of("spectrum"),
        gpu=gpus_of("spectrum"),
    params:
        what=what_of("spectrum"),
        called=called_of("spectrum"),
    message:
        "spectrum {params.called}: {params.what}"
    shell:
        "python -m pipeline spectrum {output}"
