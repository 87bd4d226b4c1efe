# syntax=docker/dockerfile:1
# `rowspace serve` on a space that is mounted at /space; see docs/docker.md.

FROM python:3.11-slim AS build

# "openvino" for spaces of sentence encoders; spaces of word vectors need nothing more.
ARG EXTRA=""
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/rowspace
ENV PATH="/opt/rowspace/bin:$PATH"
WORKDIR /src
COPY constraints/base.txt constraints/openvino.txt constraints/
RUN pip install --require-hashes -r constraints/base.txt
RUN if [ -n "$EXTRA" ]; then pip install --require-hashes -r "constraints/$EXTRA.txt"; fi
COPY pyproject.toml README.md LICENSE ./
COPY examples examples
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip install --no-deps --no-index /wheels/*.whl

FROM python:3.11-slim

# Any user may write the cache, so that `--user` can be that of the space's files.
RUN useradd --uid 10001 --no-create-home --home-dir /cache --shell /usr/sbin/nologin rowspace \
    && install --directory --mode 1777 /cache \
    && install --directory --owner rowspace /space
COPY --from=build /opt/rowspace /opt/rowspace
# All that is written besides the space: compiled kernels, memory-mapped vectors, temporary files.
ENV PATH="/opt/rowspace/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/cache \
    XDG_CACHE_HOME=/cache \
    NUMBA_CACHE_DIR=/cache/numba \
    TMPDIR=/cache
USER 10001:10001
WORKDIR /
VOLUME ["/space", "/cache"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["rowspace"]
CMD ["serve", "/space", "--host", "0.0.0.0", "--token-file", "/run/secrets/token"]
