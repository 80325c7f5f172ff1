# syntax=docker/dockerfile:1
# The service, in an image with nothing but Node and what it needs at run time. `npm run test:image` runs these steps without an
# engine. The stage `build` is what the service `evaluation` of docker-compose.yml runs in.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY . .
RUN npm ci --no-audit --no-fund
RUN npm pack --workspace packages/engine --workspace packages/sluice --pack-destination .

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/engine/package.json packages/engine/package.json
COPY packages/sluice/package.json packages/sluice/package.json
COPY packages/web/package.json packages/web/package.json
# The versions of the lock file. No scripts: the Node that the package would bring is that of the image.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --workspace packages/sluice
COPY --from=build /build/*.tgz packed/
# What is published takes the place of the links to its sources.
RUN rm -rf node_modules/sluice node_modules/@sluice && mkdir -p node_modules/sluice node_modules/@sluice/engine \
  && tar -xzf packed/sluice-engine-*.tgz -C node_modules/@sluice/engine --strip-components 1 \
  && tar -xzf packed/sluice-[0-9]*.tgz -C node_modules/sluice --strip-components 1 \
  && if [ -d packages/sluice/node_modules ]; then mv packages/sluice/node_modules node_modules/sluice/; fi \
  && rm -rf packed packages package.json package-lock.json

FROM node:24-bookworm-slim
COPY --from=dependencies /app /app
ENV NODE_ENV=production DATABASE_URL=sqlite:/data/sluice.db SLUICE_DATA_DIR=/data/uploads
RUN mkdir /data && chown node:node /data
VOLUME /data
WORKDIR /data
USER node
EXPOSE 3002
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SLUICE_METRICS_PORT || process.env.PORT || 3002}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# It handles signals itself, starts no processes and so needs no init.
ENTRYPOINT ["node", "/app/node_modules/sluice/bin/sluice.js"]
CMD ["serve"]
