# A small image with the wheel that `make dist` builds, which runs as an unprivileged user without a
# passwd entry. See docs/how-to/install.md.
# Dependabot updates an image that FROM names itself, but none in an ARG (dependabot-core#2057).
FROM python:3.13-slim AS base

FROM base AS build
COPY constraints.txt dist/*.whl /dist/
RUN python3 -m venv --without-pip /opt/dockertls-vault \
    && python3 -m pip --python /opt/dockertls-vault/bin/python3 install --no-cache-dir \
        --only-binary :all: --constraint /dist/constraints.txt /dist/*.whl

FROM base
COPY --from=build /opt/dockertls-vault /opt/dockertls-vault
ENV PATH=/opt/dockertls-vault/bin:$PATH
# Numeric, because Kubernetes cannot verify runAsNonRoot for a user name.
USER 65532:65532
ENTRYPOINT ["dockertls-vault"]
