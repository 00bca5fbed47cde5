#!/usr/bin/env bash
# Builds the image from the Dockerfile and runs it, without a container engine: buildah in a chroot.
# Shows that it serves on the current uWebSockets.js, as a plain user, on a root file system that it cannot
# write to, holds the demo's chat, that attacks on this build come out as test/security says, and that it
# stops cleanly.
#
#   CHAT2API_CONTAINER_CACHE   where the base image is kept between runs
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${CHAT2API_CONTAINER_CACHE:-${TMPDIR:-/tmp}/chat2api-container-$(id -u)}
base_image=localhost/node:24-trixie-slim
image=localhost/chat2api
BUILDAH="buildah --storage-driver vfs --root $cache/storage --runroot $cache/run"
export BUILDAH BUILDAH_ISOLATION=chroot
read -ra buildah <<<"$BUILDAH"

skip() {
  echo "skipped: $1"
  exit 0
}
# Shows the end of a log, too, without the addresses it was built from.
fail() { # <message> [log]
  [ -z "${2:-}" ] || tail -n 30 "$cache/$2" | sed -E 's#(https?://)[^/[:space:]]+#\1...#g' >&2
  echo "failed: $1" >&2
  exit 1
}
step() { echo "- $1 (${SECONDS}s)"; }

install_tools() {
  command -v buildah debootstrap >/dev/null && return
  [ "$(id -u)" = 0 ] || skip "buildah and debootstrap are missing, and only root can install them"
  command -v apt-get >/dev/null || skip "buildah and debootstrap are missing, and there is no apt-get to install them"
  apt-get update -qq >/dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah debootstrap >/dev/null 2>&1 ||
    skip "buildah and debootstrap cannot be installed from this machine's package sources"
}

# The build downloads through the same registry, proxy and certificates as this machine's npm does.
# They are mounted for the time of the build: the Dockerfile and the image know nothing of them.
host_npm_mounts() {
  local key value cafile
  : >"$cache/npmrc"
  for key in registry proxy https-proxy noproxy; do
    value=$(npm config get "$key" 2>/dev/null)
    case $value in '' | null | undefined) ;; *) echo "$key=$value" >>"$cache/npmrc" ;; esac
  done
  cafile=$(npm config get cafile 2>/dev/null)
  [ -f "$cafile" ] || cafile=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}
  if [ -f "$cafile" ]; then
    echo "cafile=/run/host-ca.pem" >>"$cache/npmrc"
    mounts+=(--volume "$cafile:/run/host-ca.pem:ro")
  fi
  mounts+=(--volume "$cache/npmrc:/root/.npmrc:ro")
}

build_image() {
  local mounts=()
  host_npm_mounts
  "${buildah[@]}" bud --format docker --build-arg "NODE_IMAGE=$base_image" "${mounts[@]}" --tag "$image" . \
    >"$cache/build.log" 2>&1 || fail "the image does not build" build.log
}

of_image() { "${buildah[@]}" inspect --type image --format "{{$1}}" "$image"; } # <part of its configuration>

# Leaves the container's name in $container, where its files are in $root, and what the image says of how it is
# run in $command, $user, $workdir and $environment.
make_container() {
  container=$("${buildah[@]}" from "$image")
  root=$("${buildah[@]}" mount "$container")
  read -ra command <<<"$(of_image 'range .OCIv1.Config.Cmd}}{{.}} {{end')"
  user=$(of_image .OCIv1.Config.User)
  workdir=$(of_image .OCIv1.Config.WorkingDir)
  mapfile -t environment < <(of_image 'range .OCIv1.Config.Env}}{{println .}}{{end' | grep =)
}

# As `docker run --read-only --tmpfs /tmp --tmpfs /app/data` does it: everything else cannot be written to.
in_container() { # <NAME=value...> <command...>
  unshare --mount bash -c '
    set -euo pipefail
    root=$1 user=$2 workdir=$3
    shift 3
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t tmpfs -o "mode=755,uid=$(stat --format %u "$root/app/data"),gid=$(stat --format %g "$root/app/data")" tmpfs \
      "$root/app/data"
    exec setpriv --no-new-privs chroot --userspec="$user" "$root" \
      env --ignore-environment --chdir="$workdir" "$@"
  ' bash "$root" "$user" "$workdir" "${environment[@]}" "$@"
}

# Leaves the server's process id in $server and its keeper's in $runner.
start_server() {
  # Nothing listens upstream: the server has to come up without a backend.
  in_container "PORT=$port" CHATGPT_BASE_URL=http://127.0.0.1:9 sh -c 'echo $$; exec "$@"' sh "${command[@]}" \
    </dev/null >"$cache/server.log" 2>&1 &
  runner=$!
  for _ in $(seq 100); do
    sleep 0.3
    server=$(sed -n '1{/^[0-9]*$/p}' "$cache/server.log")
    [ -n "$server" ] && [ "$(health)" = 200 ] && return
    kill -0 "$runner" 2>/dev/null || fail "the server ended at once" server.log
  done
  fail "the server did not come up within 30 s" server.log
}

health() {
  node -e 'fetch(process.argv[1]).then((r) => console.log(r.status), () => console.log("none"))' \
    "http://127.0.0.1:$port/healthz"
}

loaded_websockets() { grep -o 'node_modules/uWebSockets.*\.node' "/proc/$server/maps" | sort -u; }

check_server() {
  local loaded uid
  in_container "PORT=$port" node build/src/health-check.js || fail "the image's health check does not pass"
  loaded=$(loaded_websockets) || true
  case $loaded in
    node_modules/uWebSockets.js/uws_linux_*.node) ;;
    *) fail "the server runs on '${loaded:-no uWebSockets.js at all}', not on the current uWebSockets.js" ;;
  esac
  uid=$(awk '$1 == "Uid:" { print $2 }' "/proc/$server/status")
  [ "$uid" != 0 ] || fail "the server runs as root"
  ! in_container touch /app/written 2>/dev/null || fail "the root file system can be written to"
  step "serves as user $uid on $loaded, from a read-only root file system"
}

# Requirements, proof of work and conversation, as a newcomer sees them.
check_demo() {
  in_container PORT=0 SANDBOX_PORT=0 node build/src/main.js demo --once </dev/null >"$cache/demo.log" 2>&1 ||
    fail "the demo's chat fails" demo.log
  grep -q 'glibc >= 2.38' "$cache/demo.log" || fail "the demo is not on the current uWebSockets.js" demo.log
  grep -q 'complete after' "$cache/demo.log" || fail "the demo's chat is not complete" demo.log
  step "holds the demo's chat"
}

stop_server() {
  local code=0
  kill -TERM "$server"
  wait "$runner" || code=$?
  [ "$code" = 0 ] || fail "the server ended with exit code $code on SIGTERM" server.log
  server=
  runner=
}

# Only the base image is worth keeping for the next run.
clean_up() {
  if [ -n "$runner" ]; then
    kill -KILL "${server:-$runner}" 2>/dev/null || true
    wait "$runner" 2>/dev/null || true
  fi
  [ -z "$container" ] || "${buildah[@]}" rm "$container" >/dev/null 2>&1 || true
  "${buildah[@]}" rmi "$image" >/dev/null 2>&1 || true
  "${buildah[@]}" rmi --prune >/dev/null 2>&1 || true
}

install_tools
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
server=
runner=
container=
port=$(node -p 'const s = require("node:net").createServer().listen(0); const { port } = s.address(); s.close(); port')
trap clean_up EXIT

if ! "${buildah[@]}" inspect --type image "$base_image" >/dev/null 2>&1; then
  test/container/base-image.sh "$cache" "$base_image" || fail "the base image cannot be made" debootstrap.log
fi
step "base image ready"
build_image
step "image built: $("${buildah[@]}" images --format '{{.Size}}' "$image"), of which the base $("${buildah[@]}" images --format '{{.Size}}' "$base_image")"
make_container
start_server
step "healthy"
check_server
check_demo
test/container/attacks.sh "$container" >"$cache/attacks.log" 2>&1 ||
  fail "the attacks of test/security have other outcomes on this build" attacks.log
step "attacked: $(grep -c '^    ok ' "$cache/attacks.log") outcomes as expected on the current build"
stop_server
step "stopped on SIGTERM with exit code 0"
