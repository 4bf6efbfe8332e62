# The operator: kopf and the Kubernetes client, no training library. Any base with Python 3.11 or later will do.
ARG BASE=python:3.12-slim
FROM ${BASE}

COPY requirements/operator.txt /tmp/requirements.txt
RUN python3 -m venv --without-pip /opt/venv \
 && python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --no-deps --only-binary :all: --require-hashes -r /tmp/requirements.txt \
 && rm /tmp/requirements.txt \
 && useradd --uid 1000 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin finetune

COPY crds/finetune_api /app/finetune_api
COPY operator/finetune_operator /app/finetune_operator
RUN python3 -m compileall -q /app

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 1000:1000
ENTRYPOINT ["python", "-m", "finetune_operator"]

ARG VERSION=dev
LABEL org.opencontainers.image.title="finetune-operator" \
      org.opencontainers.image.description="Kubernetes operator for FineTuneJobs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
