// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Pods as units of the host's systemd.

#include <string>

#include "functional/harness/host.h"

namespace rkt::test {

// A transient unit, stopped and forgotten by the destructor.
class Unit {
 public:
  Unit() = default;
  explicit Unit(std::string name) : name_(std::move(name)) {}
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;
  Unit(Unit&& other) noexcept : name_(std::move(other.name_)) { other.name_.clear(); }
  ~Unit();

  const std::string& name() const { return name_; }
  // A property as `systemctl show` has it.
  std::string Property(const std::string& property) const;
  // Waits until a property has a value.
  bool WaitFor(const std::string& property, const std::string& value, double seconds = 60) const;
  // "system.slice/NAME", as far as it runs.
  std::string ControlGroup() const;

 private:
  std::string name_;
};

class UnitTest : public PodTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  // A name that no other test has.
  std::string UnitName(const std::string& kind = "service");
  // Starts rkt with the flags of the test as a transient service; waits, as systemctl does, until
  // it counts as started (for Type=notify: is ready). What it prints goes to OutputOf().
  Unit StartUnit(const Args& properties, const Args& rkt_args);
  // Where StartUnit failed, its message.
  Output TryUnit(const std::string& name, const Args& properties, const Args& rkt_args);
  std::string OutputOf(const Unit& unit) const {
    return ReadFile(dir() + "/" + unit.name() + ".out");
  }
  // UUID of the one pod that there is.
  std::string OnlyPod() const;
  bool WaitForOutput(const Unit& unit, const std::string& text, double seconds = 60) const;

 private:
  int units_ = 0;
};

Output Systemctl(const Args& args);

}  // namespace rkt::test
