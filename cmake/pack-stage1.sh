#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The rkt Authors
#
# pack-stage1.sh OUTPUT MANIFEST PROGRAM ENTRY... -- DIRECTORY... -- HEADER INTERFACE
# Makes a stage1 image of one program, linked under every ENTRY, and empty directories, and a C++ header with the ID that
# its tree has in the tree store and the version of its interface. Used by rkt_stage1().
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
while [ "$1" != -- ]; do
  mkdir -p "$work/rootfs/$1"
  shift
done
header=$2 interface=$3
chmod -R go-w,a+rX "$work/rootfs" "$work/manifest"
tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar \
    -cf "$work/image.tar" manifest rootfs
# The key of an image is half the SHA-512 of its archive; a tree of one image is named by half the SHA-512 of that.
half_hash() { printf 'sha512-'; sha512sum | cut -c 1-64 | tr -d '\n'; }
tree=deps-$(half_hash <"$work/image.tar" | half_hash)
mkdir -p "$(dirname "$header")"
{
  printf '#pragma once\n\nconstexpr char kLinkedStage1Tree[] = "%s";\n' "$tree"
  printf 'constexpr int kLinkedStage1Interface = %s;\n' "$interface"
} >"$header"
gzip -n -6 "$work/image.tar"
mv "$work/image.tar.gz" "$output"
