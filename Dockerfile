# The page, the binary, and a small image with ffmpeg beside it.

FROM node:22-bookworm-slim AS page
WORKDIR /src/web/ui
COPY web/ui/package.json web/ui/package-lock.json web/ui/.npmrc ./
RUN npm ci
COPY web/ui ./
RUN npm run build

FROM golang:1.26-bookworm AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=page /src/web/dist web/dist
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /pharos ./cmd/pharos

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates ffmpeg && rm -rf /var/lib/apt/lists/*
RUN useradd --system --create-home --home-dir /var/lib/pharos pharos
USER pharos
ENV PHAROS_DATA_DIR=/var/lib/pharos
COPY --from=build /pharos /usr/local/bin/pharos
EXPOSE 8080 1935
ENTRYPOINT ["pharos"]
CMD ["serve"]
