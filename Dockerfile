# The project with its environment, for a CPU; for NVIDIA's GPUs: docker build --build-arg TORCH=cuda -t ssl .
#
#   docker build -t ssl .
#   docker run --rm -it -v "$PWD/results:/project/results" ssl snakemake results/table8.csv --cores all
FROM python:3.11-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make openssh-client \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /project
ARG TORCH=cpu
COPY Makefile pyproject.toml requirements.txt README.md LICENSE ./
COPY pipeline ./pipeline
RUN make setup TORCH=${TORCH}
COPY . .

ENV PATH=/project/.venv/bin:$PATH
CMD ["ssl", "doctor"]
