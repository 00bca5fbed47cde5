ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src src
COPY workers workers
RUN npm run build && npm prune --omit=dev
# uWebSockets.js comes with binaries for every platform, some 7 MB each: one of them is ours.
RUN ours=$(node -p '`uws_${process.platform}_${process.arch}_${process.versions.modules}.node`') \
  && find node_modules/uWebSockets.js* -name 'uws_*.node' ! -name "$ours" -delete \
  && test -e "node_modules/uWebSockets.js/$ours" \
  && rm -rf node_modules/@libsql/*-musl
RUN mkdir data

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/build build
COPY --from=build --chown=node:node /app/data data
USER node
VOLUME /app/data
EXPOSE 5005
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "build/src/health-check.js"]
CMD ["node", "build/src/main.js"]
