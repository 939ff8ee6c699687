# vsock in a container:  make image  (or: docker build -t vsock .)
#
#   docker run --rm -p 127.0.0.1:8000:8000 vsock                                    echoes what callers say
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD:/calls" vsock record call.wav   records into this directory
#   docker run --rm --network host vsock call ws://127.0.0.1:5000/ws                calls a server of this machine
#
# Nothing secret is built in: give VONAGE_SIGNATURE_SECRET and the like when it runs (--env-file).

# The slim one has no compiler, and the path of a frame is compiled.
FROM python:3.13 AS build
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY vonage_sock vonage_sock
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /dist .
RUN python -m venv --without-pip /opt/vsock \
    && python -m pip --python /opt/vsock/bin/python install --no-cache-dir --disable-pip-version-check /dist/*.whl

FROM python:3.13-slim
LABEL org.opencontainers.image.title="vsock" \
      org.opencontainers.image.description="The workbench for phone calls over WebSockets" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /calls --shell /usr/sbin/nologin vsock \
    && install --directory --owner vsock --group vsock /calls /calls/.local /calls/.local/state
COPY --from=build /opt/vsock /opt/vsock
# Every option may stand in the environment. In a container only what is published can be reached from outside.
# The home is that of any user (--user), for vsock dev's journal.
ENV PATH=/opt/vsock/bin:$PATH \
    HOME=/calls \
    PYTHONDONTWRITEBYTECODE=1 \
    VSOCK_HOST=0.0.0.0
USER 10001:10001
WORKDIR /calls
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, ssl, urllib.request as web; tls = ssl._create_unverified_context(); web.urlopen(f\"{'https' if os.environ.get('VSOCK_TLS_CERT') else 'http'}://127.0.0.1:{os.environ.get('VSOCK_PORT', 8000)}/health\", timeout=4, context=tls)"]
ENTRYPOINT ["vsock"]
CMD ["serve", "--echo"]
