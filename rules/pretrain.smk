# A job trains all seeds of a run through all their milestones: one process pays for importing torch.
for shape in BUILD.pretrain_shapes():

    rule:
        name:
            shape.rule
        input:
            "keys/pretrain/{config}.json",
            data_of,
        output:
            shape.nodes,
        wildcard_constraints:
            config=shape.configs,
        threads: threads_of
        resources:
            gpu=gpus_of,
        message:
            "pretrain {wildcards.config}"
        shell:
            "python -m pipeline pretrain {output}"
