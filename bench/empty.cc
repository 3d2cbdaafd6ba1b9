// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What `rkt version` is measured against: a static C++ program that does nothing but uses the
// library once.

#include <string>

int main(int argc, char** argv) { return std::string(argv[argc - 1]).empty() ? 1 : 0; }
