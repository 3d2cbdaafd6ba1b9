#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The rkt Authors

# setup-data-dir.sh [DATA-DIR [CONFIG-DIR]]: makes the directories in which members of two groups may work without being root.
# Members of `rkt` fetch, list, export and remove images and see pods; members of `rkt-admin` change the configuration and the
# trusted keys. Running pods stays root's. What is there keeps its content; owners, groups and modes are set again.
# The same for systemd-tmpfiles: tmpfiles.d/rkt.conf.

set -eu

data=${1:-/var/lib/rkt}
config=${2:-/etc/rkt}

if [ "$(id -u)" -ne 0 ]; then
  echo "setup-data-dir.sh: only root can do this" >&2
  exit 1
fi
for group in rkt rkt-admin; do
  getent group "$group" >/dev/null || groupadd --system "$group"
done

# A directory of root's and the group's. A link in its place would lead elsewhere.
directory() { # MODE GROUP PATH
  if [ -L "$3" ]; then
    echo "setup-data-dir.sh: $3 is a symbolic link" >&2
    exit 1
  fi
  mkdir -p "$3"
  chown "root:$2" "$3"
  chmod "$1" "$3"
}

directory 2750 rkt "$data"
directory 2770 rkt "$data/cas"
for name in blob imageLayers imageManifest imagelocks layer partial remote tmp; do
  directory 2770 rkt "$data/cas/$name"
done
for name in blob imageLayers imageManifest; do
  directory 2770 rkt "$data/cas/$name/sha512"
done
# What is unpacked there has files of any owner and mode.
for name in tree treestorelocks layertree; do
  directory 2700 rkt "$data/cas/$name"
done
directory 2770 rkt "$data/locks"
directory 2750 rkt "$data/pods"
for name in embryo prepare prepared run exited-garbage garbage; do
  directory 2750 rkt "$data/pods/$name"
done
directory 2775 rkt-admin "$config"

# Below there: what was made before the groups were.
for name in blob imageLayers imageManifest imagelocks layer partial remote; do
  chgrp -R -h rkt "$data/cas/$name"
  find "$data/cas/$name" -type d -exec chmod 2770 {} +
done
for file in "$data"/cas/index "$data"/cas/index.lock "$data"/cas/imagelocks/* "$data"/cas/remote/* "$data"/locks/*; do
  if [ -f "$file" ] && [ ! -L "$file" ]; then
    chown root:rkt "$file"
    chmod 0660 "$file"
  fi
done
