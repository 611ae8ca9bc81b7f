# A job takes all measurements of a run: features are extracted once per checkpoint.
for shape in BUILD.measure_shapes():

    rule:
        name:
            shape.rule
        input:
            keys_of,
            data_of,
            checkpoints_of,
        output:
            shape.nodes,
        wildcard_constraints:
            config=shape.configs,
        threads: threads_of
        resources:
            gpu=gpus_of,
        message:
            "measure {wildcards.config}"
        shell:
            "python -m pipeline measure {output}"
