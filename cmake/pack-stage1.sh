#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The rkt Authors
#
# pack-stage1.sh OUTPUT MANIFEST PROGRAM ENTRY... -- DIRECTORY...
# Makes a stage1 image of one program, linked under every ENTRY, and empty directories. Used by rkt_stage1().
set -eu
umask 022
output=$1 manifest=$2 program=$3
shift 3
mkdir -p "$(dirname "$output")"
work=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/rootfs"
cp "$manifest" "$work/manifest"
first=
while [ "$1" != -- ]; do
  mkdir -p "$work/rootfs/$(dirname "$1")"
  if [ -z "$first" ]; then
    first=$work/rootfs/$1
    cp "$program" "$first"
    chmod 0755 "$first"
  else
    ln "$first" "$work/rootfs/$1"
  fi
  shift
done
shift
for directory; do
  mkdir -p "$work/rootfs/$directory"
done
chmod -R go-w,a+rX "$work/rootfs" "$work/manifest"
tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar \
    -cf "$work/image.tar" manifest rootfs
gzip -n -6 "$work/image.tar"
mv "$work/image.tar.gz" "$output"
