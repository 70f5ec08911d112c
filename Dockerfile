# Three images from one file: stream and api (the same content, another command) and trainer, which is also the MLflow server.
# Python and Debian are pinned to their minor release, so that a build anew brings their security fixes.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS tools
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/ctr
WORKDIR /src
COPY requirements/build.txt requirements/
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt

FROM tools AS wheel
COPY . .
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# Requirements come before our own wheel: a change of code keeps their layer.
FROM tools AS serve-environment
COPY requirements/serve.txt requirements/
RUN /opt/build/bin/pip --python /opt/ctr/bin/python install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
      -r requirements/serve.txt \
 && find /opt/ctr -depth -type d \( -name tests -o -path '*/pyarrow/include' -o -path '*/catboost/widget' \) -exec rm -r {} +
COPY --from=wheel /wheels /wheels
RUN /opt/build/bin/pip --python /opt/ctr/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl

# What all images have: no pip, no compiler, a user of their own. Everything else stays in the stages above.
FROM ${PYTHON_IMAGE} AS base
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp ctr \
 && rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
 && mkdir /bundles /mlflow && chown ctr:ctr /bundles /mlflow
ENV PATH=/opt/ctr/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp BUNDLE=/bundles/current
WORKDIR /tmp
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["ctr"]

FROM base AS serve
COPY --from=serve-environment /opt/ctr /opt/ctr

FROM serve AS api
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-m", "cli.healthy", "http://127.0.0.1:8000/health/ready"]
CMD ["api", "--host", "0.0.0.0", "--port", "8000"]

FROM serve AS stream
EXPOSE 9100
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-m", "cli.healthy", "http://127.0.0.1:9100/health/ready"]
CMD ["worker"]

# Some of these come as source only: they are built here, with the build tools that are pinned above.
FROM tools AS trainer-environment
COPY requirements/trainer.txt requirements/
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --require-hashes --wheel-dir /required \
      -r requirements/trainer.txt \
 && /opt/build/bin/pip --python /opt/ctr/bin/python install --no-cache-dir --no-deps --no-index /required/*.whl \
 && rm -r /required
COPY --from=wheel /wheels /wheels
RUN /opt/build/bin/pip --python /opt/ctr/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM base AS trainer
COPY --from=trainer-environment /opt/ctr /opt/ctr
CMD ["--help"]
