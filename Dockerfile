# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/umishop /usr/local/bin/

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin umishop \
    && install -d -o umishop -g umishop /data
COPY --from=build /usr/local/bin/umishop /usr/local/bin/

USER umishop
# config.toml, .env, templates and the database are looked for here.
WORKDIR /data
VOLUME /data
# What comes through the published port comes from Docker's own network: 172.16.0.0/12, unless you gave it another one.
ENV UMISHOP_SERVER__LISTEN=0.0.0.0:8000 \
    UMISHOP_SERVER__TRUSTED_PROXIES=127.0.0.1,::1,172.16.0.0/12
EXPOSE 8000
# The image has no curl, but bash speaks TCP.
HEALTHCHECK --start-period=10s --timeout=3s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["umishop"]
CMD ["serve"]
