# The wheel that `make dist` builds, in a small image that runs as nobody in particular:
# docs/how-to/install.md.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
COPY constraints.txt dist/*.whl /dist/
RUN python3 -m venv --without-pip /opt/dockertls-vault \
    && python3 -m pip --python /opt/dockertls-vault/bin/python3 install --no-cache-dir \
        --only-binary :all: --constraint /dist/constraints.txt /dist/*.whl

FROM ${BASE}
COPY --from=build /opt/dockertls-vault /opt/dockertls-vault
ENV PATH=/opt/dockertls-vault/bin:$PATH
# By numbers: Kubernetes' runAsNonRoot believes no name.
USER 65532:65532
ENTRYPOINT ["dockertls-vault"]
