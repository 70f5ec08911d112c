#!/bin/bash
# Makes sure that every image of docker-compose.yml is there: present, else pulled, else a stand-in (see Dockerfile).
# Then builds our own. An image that is neither pulled nor has a stand-in is named on stdout, as `missing IMAGE`.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ca=/etc/ssl/certs/ca-certificates.crt
python=python:3.13-slim-trixie

is_there() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null 2>&1; }

bootstrap() {  # Debian with Python, and this machine's CA bundle: builds reach the same registries as the machine
  command -v debootstrap >/dev/null || { echo "debootstrap is needed to make stand-ins: apt-get install debootstrap" >&2; exit 1; }
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv trixie "$work/root" >&2
  cp "$ca" "$work/root$ca"
  tar -C "$work/root" -c . | docker import --change 'CMD ["python3"]' - "$python" >&2
}

build() {  # image, target: what python and redis are to Debian's packages
  is_there "$1" && return
  echo "stand-in: $1" >&2
  docker build --quiet --network host --target "$2" --build-arg MOTO="$moto" --tag "$1" "$work/context" >&2
}

image() { sed -nE "s#^ *image: *($1:[^ ]+).*#\1#p" ../../docker-compose.yml | head -1; }

is_there "$python" || bootstrap
moto=$(sed -nE 's/^moto==([^ ]+).*/\1/p' ../../requirements/dev.txt)
mkdir "$work/context"
cp Dockerfile kafka-run s3.py "$work/context"
(cd ../.. && .venv/bin/python -c 'from local import jars; jars.install(); print(jars.home() / "jars")') >"$work/jars"
cp -r "$(cat "$work/jars")" "$work/context/jars"
build "$(image apache/kafka)" kafka
build "$(image redis)" redis
build "$(image versity/versitygw)" s3
build "$(image prom/prometheus)" prometheus
is_there "$(image grafana/grafana)" || echo "missing $(image grafana/grafana)"
for target in stream api trainer; do
  docker build --quiet --network host --target "$target" --tag "ctr-$target:${TAG:-local}" ../.. >&2
done
