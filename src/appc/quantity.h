// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Quantity: an amount of a resource written as Kubernetes does: 500m, 64M, 64Mi, 1.5, 2e3.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rkt::appc {

class Quantity {
 public:
  enum class Format { kDecimal, kBinary, kExponent };

  Quantity() = default;
  // A decimal number with one of the suffixes n u m (none) k M G T P E, Ki Mi Gi Ti Pi Ei, or an
  // exponent. What is finer than a thousandth is rounded up; what is larger than 2^63-1 thousandths
  // is refused.
  static Result<Quantity> Parse(std::string_view text);
  static Quantity FromMillis(int64_t millis) { return Quantity(millis, Format::kDecimal); }

  // Thousandths (64M is 64000000000; 500m is 500).
  int64_t millis() const { return millis_; }
  // Whole units, rounded up: bytes of memory, cores of cpu.
  int64_t Value() const;
  // The shortest spelling with the suffix family it was given in ("0.5" gives "500m", "1024Mi"
  // gives "1Gi").
  std::string Text() const;
  bool operator==(const Quantity& other) const { return millis_ == other.millis_; }

 private:
  Quantity(int64_t millis, Format format) : millis_(millis), format_(format) {}
  int64_t millis_ = 0;
  Format format_ = Format::kDecimal;
};

}  // namespace rkt::appc
