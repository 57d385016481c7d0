# Two images from one file: `app` serves the web and the worker, `gpu-worker` adds the training environment.
# Model servers are vLLM's own image, see docker-compose.yml.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# --- packages: every one pinned and checked by hash ---------------------------------------------------------------
FROM base AS packages
COPY requirements/web.txt /tmp/web.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --no-deps -r /tmp/web.txt

# --- the application ----------------------------------------------------------------------------------------------
FROM base AS app
RUN groupadd --gid 10001 rounds \
    && useradd --uid 10001 --gid rounds --no-create-home --home-dir /app rounds \
    && install --directory --owner rounds --group rounds /data
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY manage.py pyproject.toml LICENSE NOTICE ./
COPY agents agents
COPY clinic clinic
COPY training training
COPY templates templates
COPY static static
ENV PATH=/opt/venv/bin:$PATH \
    ROUNDS_ENV=production \
    ROUNDS_HOME=/data \
    STATIC_ROOT=/app/staticfiles
# Collecting needs settings, not services: the addresses below lead nowhere and stay in this step.
RUN ROUNDS_ENV=local DATABASE_URL=postgresql://nobody@/nowhere VALKEY_URL=redis://nowhere \
    python manage.py collectstatic --noinput
USER rounds
EXPOSE 8000
# /healthz decodes one token, so this also sees a frozen model; Django wants a host it knows.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD ["python", "-c", "\
import os, urllib.request as u; \
u.urlopen(u.Request('http://127.0.0.1:8000/healthz', headers={ \
'Host': os.environ.get('ALLOWED_HOSTS', 'localhost').split(',')[0], 'X-Forwarded-Proto': 'https'}), timeout=12)"]
CMD ["uvicorn", "clinic.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
    "--no-access-log", "--timeout-graceful-shutdown", "10"]

# --- training: the same application beside a second environment with torch for CUDA -------------------------------
# The version of requirements/train.txt's neighbour in run.py, in the CUDA build that the default index carries; its
# CUDA libraries come as its own dependencies, so it is the one package that is pinned but not hash-checked.
FROM base AS trainer
ARG TORCH=torch==2.13.0
COPY requirements/train.txt /tmp/train.txt
RUN python -m venv /app/.venv-train \
    && /app/.venv-train/bin/pip install "$TORCH" \
    && /app/.venv-train/bin/pip install --require-hashes --no-deps -r /tmp/train.txt

FROM app AS gpu-worker
COPY --from=trainer /app/.venv-train /app/.venv-train
# One run at a time, in the foreground of this process: torch and forked children do not mix.
HEALTHCHECK NONE
CMD ["celery", "--app", "clinic", "worker", "--pool", "solo", "--concurrency", "1", \
    "--queues", "gpu", "--hostname", "gpu@%h"]
