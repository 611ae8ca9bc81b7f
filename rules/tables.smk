rule table:
    input:
        inputs_of("table"),
    output:
        report(
            "results/{artifact}.csv",
            caption="captions/table.rst",
            category=paper_of,
            subcategory="tables",
            labels=labels_of,
        ),
        "results/{artifact}.json",
        "results/{artifact}.md",
        receipt="results/{artifact}.receipt.json",
    wildcard_constraints:
        artifact=BUILD.pattern("table"),
    localrule: True
    message:
        "table {wildcards.artifact}"
    shell:
        "python -m pipeline table {output.receipt}"


rule short_name:
    input:
        linked,
    output:
        "results/{name}.{suffix}",
    localrule: True
    params:
        link=link_of,
    shell:
        # some file systems (FAT, shares of other systems) know no links
        "ln -sfn {params.link} {output} 2>/dev/null || cp -f {input} {output}"


rule scorecard:
    input:
        BUILD.reports,
    output:
        report(
            "results/{edition}/scorecard.csv",
            caption="captions/scorecard.rst",
            category="scorecards",
            labels={"artifact": "scorecard", "scale": "{edition}"},
        ),
        "results/{edition}/scorecard.md",
        "results/{edition}/metrics.json",
    localrule: True
    message:
        "scorecard {wildcards.edition}"
    shell:
        "python -m pipeline scorecard {output} --reports {input}"
