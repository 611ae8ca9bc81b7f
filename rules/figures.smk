rule figure:
    input:
        inputs_of("figure"),
    output:
        report(
            "results/{artifact}.png",
            caption="captions/figure.rst",
            category=paper_of,
            subcategory="figures",
            labels=labels_of,
        ),
        "results/{artifact}.pdf",
        "results/{artifact}.csv",
        "results/{artifact}.json",
        "results/{artifact}.md",
        receipt="results/{artifact}.receipt.json",
    wildcard_constraints:
        artifact=BUILD.pattern("figure"),
    localrule: True
    message:
        "figure {wildcards.artifact}"
    shell:
        "python -m pipeline figure {output.receipt}"
