rule prepare:
    input:
        "keys/prepare/{dataset}.json",
    output:
        "receipts/data/{dataset}.json",
    message:
        "prepare {wildcards.dataset}"
    shell:
        "python -m pipeline prepare {output}"
