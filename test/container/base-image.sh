#!/usr/bin/env bash
# Makes a stand-in for the official `node:24-trixie-slim` image where no image registry is at hand:
# a minimal Debian 13 from the package mirror this machine already uses, node and npm from npm.
#
#   base-image.sh <cache directory> <image name>
#
# The caller's BUILDAH (an array flattened to words) names the store that receives the image.
set -euo pipefail

cache=$1
image=$2
read -ra buildah <<<"$BUILDAH"

# The mirror of Debian itself, as opposed to its security updates or third parties.
debian_mirror() {
  local found
  found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | sed -n 1p)
  echo "${found:-http://deb.debian.org/debian}"
}

# Both packages carry everything they need, so unpacking them is installing them.
unpack_from_npm() { # <package> <directory>
  local tarball
  tarball=$(cd "$work" && npm pack --silent --ignore-scripts "$1" 2>/dev/null | tail -n 1)
  mkdir -p "$2"
  tar -xzf "$work/$tarball" -C "$2" --strip-components 1 --no-same-owner
}

install_node() { # <root>
  unpack_from_npm "node-linux-$(node -p process.arch)@24" "$work/node"
  install -m 755 "$work/node/bin/node" "$1/usr/local/bin/node"
  unpack_from_npm npm@11 "$1/usr/local/lib/node_modules/npm"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$1/usr/local/bin/npx"
  chmod 755 "$1"/usr/local/lib/node_modules/npm/bin/np?-cli.js
  chroot "$1" groupadd --gid 1000 node
  chroot "$1" useradd --uid 1000 --gid node --shell /bin/bash --create-home node
}

commit() { # <root>
  local container
  tar -C "$1" --one-file-system -cf "$work/root.tar" .
  container=$("${buildah[@]}" from scratch)
  "${buildah[@]}" add --quiet "$container" "$work/root.tar" / >/dev/null
  "${buildah[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd node "$container"
  "${buildah[@]}" commit --quiet --rm "$container" "$image" >/dev/null
}

# Whether node and npm run in the image: a store under load was once seen to lose a file of the layer.
verify() {
  local container code=0
  container=$("${buildah[@]}" from "$image")
  "${buildah[@]}" run "$container" -- sh -c 'node --version && npm --version' >/dev/null 2>&1 || code=$?
  "${buildah[@]}" rm "$container" >/dev/null
  return "$code"
}

work=$(mktemp -d "$cache/base.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
debootstrap --variant=minbase trixie "$root" "$(debian_mirror)" >"$cache/debootstrap.log" 2>&1
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
# What the host put in for the time of the installation stays with the host.
rm -f "$root"/etc/apt/sources.list "$root"/etc/resolv.conf "$root"/etc/hostname
install_node "$root"
for _ in 1 2 3; do
  commit "$root"
  verify && exit
  "${buildah[@]}" rmi --force "$image" >/dev/null
done
echo 'the image was stored three times and lacks a working node each time' >&2
exit 1
