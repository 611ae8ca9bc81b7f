# Equations and toy networks: what a paper's theory says, as records and curves.
rule simulate:
    input:
        inputs_of("simulate"),
    output:
        "jobs/simulate/{simulation}.done",
    resources:
        **demands_of("simulate"),
    params:
        what=what_of("simulate"),
    message:
        "simulate {wildcards.simulation}: {params.what}"
    shell:
        "python -m pipeline simulate {output}"
