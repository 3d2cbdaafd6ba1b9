// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The report of the fetch program, read line by line (store/report.h).

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/import.h"

namespace rkt::image {

// Reads to the end and gives what "done" said, or the error that was reported. All other lines go to `other`, split at blanks;
// false from it means that the line is nonsense, an error ends the reading.
Result<ImportResult> ReadReport(int fd, const std::function<Result<bool>(const std::vector<std::string>&)>& other);

}  // namespace rkt::image
