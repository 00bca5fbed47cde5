#!/usr/bin/env bash
# Runs those tests whose outcome depends on the build of uWebSockets.js inside a container, where the current
# one loads: the container brings Node.js and the C library, this directory the program and its tests.
#
#   attacks.sh <container>
#
# The caller's BUILDAH (an array flattened to words) names the store that has the container.
set -euo pipefail
cd "$(dirname "$0")/../.."

tests=(framing paths gateway)
container=$1
read -ra buildah <<<"$BUILDAH"

[ -e "build/test/security/${tests[0]}.test.js" ] || npm run --silent build
for name in "${tests[@]}"; do
  "${buildah[@]}" run --user root --env TAP_TIMEOUT=120 --volume "$PWD:/checkout:ro" --workingdir /checkout "$container" -- \
    node "build/test/security/$name.test.js"
done
