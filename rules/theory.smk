rule simulate:
    input:
        "keys/simulate/{simulation}.json",
    output:
        "receipts/simulations/{simulation}.json",
    message:
        "simulate {wildcards.simulation}"
    shell:
        "python -m pipeline simulate {output}"
