# Not yet built by an engine. Results and ledger live in /data; the token comes from a secret file, for example
# -v ./token:/run/secrets/passentry:ro (readable for uid 10001); a list outside /data needs --results in it.
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md ./
COPY campaign campaign
RUN python -m venv /opt/campaign && /opt/campaign/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 campaign && install -d -o campaign -g campaign /data
COPY --from=build /opt/campaign /opt/campaign
ENV PATH=/opt/campaign/bin:$PATH CAMPAIGN_LEDGER=/data/campaign.db PASSENTRY_API_KEY_FILE=/run/secrets/passentry
USER campaign
WORKDIR /data
VOLUME /data
ENTRYPOINT ["campaign"]
CMD ["--help"]
