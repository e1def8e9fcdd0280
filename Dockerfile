# Its steps were run by hand in an empty Debian root; no engine has built it yet.
# Lists, ledger and results live in /data; the token comes from a secret file that uid 10001 can read:
#   docker build --tag campaign .
#   docker run --rm --volume campaign:/data --volume ./token:/run/secrets/passentry:ro campaign run list.csv --message "..." --yes
# compose.yaml serves the console from it, jobs/kubernetes sends by it; lists in another store than S3 need its extra here, too.
FROM python:3.13-slim AS build
WORKDIR /build
ENV PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml constraints.txt README.md ./
COPY campaign campaign
COPY sample_data sample_data
RUN python -m venv /opt/campaign && /opt/campaign/bin/python -m pip install '.[notify,console,postgres,s3]'

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home campaign && install --directory --owner=campaign --group=campaign --mode=0750 /data
COPY --from=build /opt/campaign /opt/campaign
ENV PATH=/opt/campaign/bin:$PATH CAMPAIGN_LEDGER=/data/campaign.db PASSENTRY_API_KEY_FILE=/run/secrets/passentry
USER campaign
WORKDIR /data
VOLUME /data
ENTRYPOINT ["campaign"]
CMD ["--help"]
