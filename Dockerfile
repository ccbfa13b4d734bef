# The app alone: neither keras nor tensorflow, everything pinned, no root. The DICOM
# node is built with EXTRAS=pacs, see compose.pacs.yaml.
#   docker build -t fracture . && docker run --rm -p 7860:7860 fracture
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ARG EXTRAS=app,dicom
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY fracture fracture
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
    && /venv/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim-bookworm
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin fracture \
    && install -d -o fracture -m 700 /var/lib/fracture
COPY --from=build /venv /venv
WORKDIR /app
COPY app.py MODEL_CARD.md LICENSE ./
COPY examples examples
COPY weights weights
COPY deploy/send_sample.py deploy/
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860
USER fracture
EXPOSE 7860
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['GRADIO_SERVER_PORT']}/healthz\", timeout=4)"]
# Told to stop, it finishes or refuses what runs, deletes the uploads and exits with 0.
CMD ["python", "app.py"]
