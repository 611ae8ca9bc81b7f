# Tangent kernels of a run's checkpoints, and what they predict.
rule ntk:
    input:
        inputs_of("ntk"),
    output:
        "jobs/ntk/{config}.done",
    threads: threads_of("ntk")
    resources:
        **demands_of("ntk"),
        gpu=gpus_of("ntk"),
    params:
        what=what_of("ntk"),
        called=called_of("ntk"),
    message:
        "ntk {params.called}: {params.what}"
    shell:
        "python -m pipeline ntk {output}"
