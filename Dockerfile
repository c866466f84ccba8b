# The stages need the npm registry and nothing else.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY nest-cli.json tsconfig.json ./
COPY .config .config
COPY prisma prisma
COPY src src
COPY web web
COPY docs/openapi.json docs/
RUN npm run build && find dist -name "*.map" -delete

# Prisma Studio (docker compose --profile studio): it needs the development dependencies.
FROM build AS studio
COPY deploy/image/studio.mjs deploy/image/
USER node
EXPOSE 5555
CMD ["node", "deploy/image/studio.mjs"]

# The packages that the program loads. Left out: the embedded PostgreSQL, optional and peer packages that nothing here
# loads, Prisma's query compilers (the program writes its SQL itself), source maps, types.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --omit=peer \
 && find node_modules -type f \
      \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \
      -o -path '*/@prisma/client/runtime/query_compiler_*' -o -path '*/@prisma/client/runtime/wasm-compiler-*' \) -delete

# Debian with the Node.js binary alone: npm and yarn are not needed here, and scanners keep finding faults in them.
FROM debian:bookworm-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="telegram-openlines" \
      org.opencontainers.image.description="A bridge between Telegram bots and Bitrix24 Open Lines that loses nothing and repeats nothing." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
# V8 as measured with 10,000 messages waiting: of itself it would take half as much again, on a large machine twice. A
# heap of 512 MiB is several times what the program was ever seen to need; NODE_OPTIONS of your own replaces this.
ENV NODE_ENV=production \
    NODE_OPTIONS="--max-semi-space-size=4 --max-old-space-size=512" \
    PORT=8000
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --no-create-home --shell /usr/sbin/nologin node
COPY --from=build /usr/local/bin/node /usr/local/bin/
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY prisma/migrations prisma/migrations
COPY prisma/background-migrations prisma/background-migrations
COPY deploy/image/healthcheck /usr/local/bin/
# A number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8000
# Liveness only: a database that is away for a while must not make anyone kill a process that recovers by itself. The
# program answers once the database is migrated, which may take long the first time after an upgrade.
HEALTHCHECK --interval=10s --timeout=5s --start-period=1h --retries=3 CMD ["healthcheck"]
# No shell and no npm in between: SIGTERM reaches the program, which drains within 10 s.
STOPSIGNAL SIGTERM
CMD ["node", "dist/main.js"]
