// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/seccomp_bpf.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace rkt::stage1 {

namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kArchOffset = offsetof(seccomp_data, arch);
constexpr uint32_t kNumberOffset = offsetof(seccomp_data, nr);
constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr uint32_t ReturnErrno(int err) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(err); }
// A device number as mknod takes it, for small minors.
constexpr uint32_t Device(uint32_t major, uint32_t minor) { return major << 8 | minor; }

// The lower half of an argument; both supported machines are little endian.
constexpr uint32_t ArgumentOffset(int index) {
  return offsetof(seccomp_data, args) + static_cast<uint32_t>(index) * sizeof(uint64_t);
}

// Writes the program from its end to its beginning: every jump then goes to what is already there,
// and whether an 8-bit offset reaches it is known. A label is an instruction's distance from the
// end.
class Emitter {
 public:
  using Label = size_t;

  Label Add(uint16_t code, uint32_t k, uint8_t jt = 0, uint8_t jf = 0) {
    reversed_.push_back({code, jt, jf, k});
    return reversed_.size() - 1;
  }
  Label Load(uint32_t offset) { return Add(BPF_LD | BPF_W | BPF_ABS, offset); }

  // A return with this value, the same instruction again where a jump can reach it.
  Label Return(uint32_t value) {
    for (auto& [known, label] : returns_) {
      if (known != value) continue;
      // Two more instructions (the other branch's return, a far jump) may come before the jump
      // itself.
      if (reversed_.size() - label > kReach - 2) label = Add(BPF_RET | BPF_K, value);
      return label;
    }
    Label label = Add(BPF_RET | BPF_K, value);
    returns_.emplace_back(value, label);
    return label;
  }

  Label Jump(uint16_t condition, uint32_t k, Label if_true, Label if_false) {
    if_true = Near(if_true, 1);
    if_false = Near(if_false, 0);
    return Add(BPF_JMP | condition | BPF_K, k, Offset(if_true), Offset(if_false));
  }
  Label Equal(uint32_t k, Label if_true, Label if_false) {
    return Jump(BPF_JEQ, k, if_true, if_false);
  }

  // What is added next is followed by `target`.
  void FallInto(Label target) {
    if (target + 1 != reversed_.size()) Far(target);
  }

  std::vector<sock_filter> Take() && {
    std::reverse(reversed_.begin(), reversed_.end());
    return std::move(reversed_);
  }

 private:
  static constexpr size_t kReach = 255;

  uint8_t Offset(Label target) const { return static_cast<uint8_t>(reversed_.size() - target - 1); }
  // `target`, or a long jump to it where the conditional jump that follows after `more`
  // instructions is too far.
  Label Near(Label target, size_t more) {
    if (reversed_.size() + more - target - 1 <= kReach) return target;
    return Far(target);
  }
  Label Far(Label target) {
    return Add(BPF_JMP | BPF_JA, static_cast<uint32_t>(reversed_.size() - target - 1));
  }

  std::vector<sock_filter> reversed_;
  std::vector<std::pair<uint32_t, Label>> returns_;
};

using Label = Emitter::Label;

Label EmitMknod(Emitter& emit, int mode_argument, uint32_t value) {
  static constexpr uint32_t kPseudoDevices[] = {Device(0, 0),  // the whiteout of overlayfs
                                                Device(1, 3), Device(1, 5), Device(1, 7),
                                                Device(1, 8), Device(1, 9), Device(5, 0)};
  Label allow = emit.Return(value);
  Label refuse = emit.Return(ReturnErrno(EPERM));
  Label next = refuse;
  for (uint32_t device : kPseudoDevices) next = emit.Equal(device, allow, next);
  // What Jump goes to must be a load: the device number is looked at only for character devices.
  Label character = emit.Load(ArgumentOffset(mode_argument + 1));
  Label block = emit.Equal(S_IFBLK, refuse, allow);
  emit.Equal(S_IFCHR, character, block);
  emit.Add(BPF_ALU | BPF_AND | BPF_K, S_IFMT);
  return emit.Load(ArgumentOffset(mode_argument));
}

Label EmitVerdict(Emitter& emit, const Verdict& verdict) {
  switch (verdict.kind) {
    case Verdict::Kind::kAny:
    case Verdict::Kind::kReturn:
      return emit.Return(verdict.value);
    case Verdict::Kind::kNoNamespaces: {
      Label allow = emit.Return(verdict.value);
      emit.Jump(BPF_JSET, kNamespaceFlags, emit.Return(ReturnErrno(EPERM)), allow);
      return emit.Load(ArgumentOffset(0));
    }
    case Verdict::Kind::kSocketFamily: {
      Label allow = emit.Return(verdict.value);
      Label refuse = emit.Return(ReturnErrno(EAFNOSUPPORT));
      emit.Equal(AF_ALG, refuse, emit.Equal(AF_VSOCK, refuse, allow));
      return emit.Load(ArgumentOffset(0));
    }
    case Verdict::Kind::kSocketcall: {
      constexpr uint32_t kSysSocket = 1;
      Label allow = emit.Return(verdict.value);
      emit.Equal(kSysSocket, emit.Return(ReturnErrno(ENOSYS)), allow);
      return emit.Load(ArgumentOffset(0));
    }
    case Verdict::Kind::kPersonality: {
      static constexpr uint32_t kHarmless[] = {
          PER_LINUX,         PER_LINUX32,
          UNAME26,           static_cast<uint32_t>(PER_LINUX32) | UNAME26,
          ADDR_NO_RANDOMIZE, static_cast<uint32_t>(PER_LINUX32) | ADDR_NO_RANDOMIZE,
          0xffffffff};
      Label allow = emit.Return(verdict.value);
      Label next = emit.Return(ReturnErrno(EPERM));
      for (uint32_t personality : kHarmless) next = emit.Equal(personality, allow, next);
      return emit.Load(ArgumentOffset(0));
    }
    case Verdict::Kind::kMknod:
      return EmitMknod(emit, 1, verdict.value);
    case Verdict::Kind::kMknodat:
      return EmitMknod(emit, 2, verdict.value);
  }
  return emit.Return(SECCOMP_RET_KILL_PROCESS);
}

// Numbers from `first` up to the next range's have this verdict.
struct Range {
  uint32_t first;
  Verdict verdict;
};

std::vector<Range> Ranges(const ArchitectureVerdicts& architecture) {
  std::vector<Range> ranges;
  auto add = [&ranges](uint32_t first, const Verdict& verdict) {
    if (ranges.empty() ||
        (ranges.back().verdict != verdict && verdict.kind != Verdict::Kind::kAny)) {
      ranges.push_back({first, verdict});
    }
  };
  uint32_t number = 0;
  for (const Verdict& verdict : architecture.by_number) add(number++, verdict);
  add(number, architecture.beyond);
#if defined(__x86_64__)
  if (architecture.refuse_x32) {
    add(kX32Bit, {Verdict::Kind::kReturn, ReturnErrno(ENOSYS)});
  }
#endif
  return ranges;
}

// How many numbers of calls lie before range `index`. When a filter is installed the kernel judges
// every number once to fill its cache, so wide ranges belong near the root.
uint32_t Weight(const std::vector<Range>& ranges, size_t index) {
  constexpr uint32_t kKernelNumbers = 480;
  if (index >= ranges.size()) return kKernelNumbers;
  return std::min(ranges[index].first, kKernelNumbers);
}

Label EmitTree(Emitter& emit, const std::vector<Range>& ranges, size_t begin, size_t end) {
  if (end - begin == 1) return EmitVerdict(emit, ranges[begin].verdict);
  uint32_t total = Weight(ranges, begin) + Weight(ranges, end);
  auto imbalance = [&](size_t i) {
    int64_t twice = int64_t{2} * Weight(ranges, i) - total;
    return twice < 0 ? -twice : twice;
  };
  size_t middle = begin + 1;
  for (size_t i = begin + 2; i < end; ++i) {
    if (imbalance(i) < imbalance(middle)) middle = i;
  }
  Label right = EmitTree(emit, ranges, middle, end);
  Label left = EmitTree(emit, ranges, begin, middle);
  return emit.Jump(BPF_JGE, ranges[middle].first, right, left);
}

bool IsAllowed(const Verdict& verdict) {
  return verdict.kind == Verdict::Kind::kReturn && verdict.value == SECCOMP_RET_ALLOW;
}

// A table of bits, which numbers are allowed, in words of 32; a search tree tells the rest apart. That is a third fewer
// instructions than a search tree of all, and they count each time that a process installs the filter. But the kernel does
// not cache what is reckoned, so it is for architectures that hardly any program uses.
Label EmitBits(Emitter& emit, const ArchitectureVerdicts& architecture) {
  constexpr uint32_t kWord = 32;
  constexpr uint32_t kScratch = 0;
  ArchitectureVerdicts others = architecture;
  std::vector<uint32_t> words;
  std::vector<uint32_t> unused;  // bits that may be either
  for (uint32_t number = 0; number < others.by_number.size(); ++number) {
    if (number % kWord == 0) {
      words.push_back(0);
      unused.push_back(0);
    }
    Verdict& verdict = others.by_number[number];
    uint32_t bit = uint32_t{1} << number % kWord;
    if (verdict.kind == Verdict::Kind::kAny) unused.back() |= bit;
    if (!IsAllowed(verdict)) continue;
    words.back() |= bit;
    verdict.kind = Verdict::Kind::kAny;  // not looked at
  }
  // Numbers past the end may belong to calls of a later kernel.
  for (auto number = static_cast<uint32_t>(others.by_number.size()); number % kWord != 0; ++number) {
    if (IsAllowed(architecture.beyond)) words.back() |= uint32_t{1} << number % kWord;
  }

  Label beyond = EmitVerdict(emit, architecture.beyond);
  std::vector<Range> ranges = Ranges(others);
  emit.FallInto(EmitTree(emit, ranges, 0, ranges.size()));
  Label other = emit.Load(kNumberOffset);
  Label allow = emit.Return(SECCOMP_RET_ALLOW);
  struct Leaf {
    uint32_t first;
    Label label;
  };
  std::vector<Leaf> leaves;
  leaves.push_back({static_cast<uint32_t>(words.size()) * kWord, beyond});
  for (size_t i = words.size(); i-- > 0;) {
    Label leaf = other;
    if ((words[i] | unused[i]) == ~uint32_t{0}) {
      leaf = emit.Return(SECCOMP_RET_ALLOW);
    } else if (words[i] != 0) {
      emit.Jump(BPF_JSET, words[i], allow, other);
      leaf = emit.Add(BPF_LD | BPF_MEM, kScratch);
    }
    if (leaves.back().label == leaf) {
      leaves.back().first = static_cast<uint32_t>(i) * kWord;
    } else {
      leaves.push_back({static_cast<uint32_t>(i) * kWord, leaf});
    }
  }
  std::reverse(leaves.begin(), leaves.end());
  auto tree = [&](auto& self, size_t begin, size_t end) -> Label {
    if (end - begin == 1) return leaves[begin].label;
    size_t middle = begin + (end - begin) / 2;
    Label right = self(self, middle, end);
    Label left = self(self, begin, middle);
    return emit.Jump(BPF_JGE, leaves[middle].first, right, left);
  };
  emit.FallInto(tree(tree, 0, leaves.size()));
  // The bit of the number in its word.
  emit.Load(kNumberOffset);
  emit.Add(BPF_ST, kScratch);
  emit.Add(BPF_ALU | BPF_LSH | BPF_X, 0);
  emit.Add(BPF_LD | BPF_IMM, 1);
  emit.Add(BPF_MISC | BPF_TAX, 0);
  emit.Add(BPF_ALU | BPF_AND | BPF_K, kWord - 1);
  return emit.Load(kNumberOffset);
}

}  // namespace

std::vector<sock_filter> EmitSeccomp(const std::vector<ArchitectureVerdicts>& architectures) {
  Emitter emit;
  Label next = emit.Return(SECCOMP_RET_KILL_PROCESS);
  for (size_t i = architectures.size(); i-- > 0;) {
    Label judge;
    if (i == 0) {
      std::vector<Range> ranges = Ranges(architectures[i]);
      emit.FallInto(EmitTree(emit, ranges, 0, ranges.size()));
      judge = emit.Load(kNumberOffset);
    } else {
      judge = EmitBits(emit, architectures[i]);
    }
    next = emit.Jump(BPF_JEQ, architectures[i].audit_arch, judge, next);
  }
  emit.Load(kArchOffset);
  return std::move(emit).Take();
}

}  // namespace rkt::stage1
