// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// libexec/rkt/fetch: brings an image into the store. Started by rkt, never by people:
//   fetch import DATA-DIR FILE-NAME [--no-render] [--latest] [--verify]   the file is open on descriptor 3
//   fetch oci DATA-DIR                                                    descriptor 3: image/oci/request.h
//   fetch transfer                                                        descriptor 3: fetch/transfer.h
// It reports on descriptor 4 (store/report.h) and is killed when rkt dies.

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "base/file.h"
#include "fetch/oci/fetch_image.h"
#include "fetch/pipeline.h"
#include "fetch/transfer.h"
#include "image/oci/request.h"
#include "store/report.h"

namespace {

using rkt::StrCat;
using rkt::store::EscapeWord;

constexpr uint64_t kProgressStep = 2u << 20;

void Report(const std::string& line) { (void)rkt::WriteAll(rkt::store::kReportFd, line + "\n"); }

int Fail(const rkt::Error& error) {
  std::string lines;
  for (const rkt::Error* link = &error; link != nullptr; link = link->cause()) {
    lines += StrCat(lines.empty() ? "" : "\n", "error ", static_cast<int>(link->code()), " ", link->err(), " ",
                    EscapeWord(link->message()));
  }
  Report(lines);
  return 1;
}

// Says whose image it is, and waits for leave to put it in place.
rkt::Status AskForApproval(const std::string& name, const std::vector<rkt::appc::Label>& labels) {
  std::string line = StrCat("read ", EscapeWord(name));
  for (const rkt::appc::Label& label : labels) line += StrCat(" ", EscapeWord(label.name), " ", EscapeWord(label.value));
  Report(line);
  char byte;
  ssize_t n;
  do {
    n = ::read(rkt::store::kApprovalFd, &byte, 1);
  } while (n < 0 && errno == EINTR);
  if (n == 1) return {};
  return rkt::Err(rkt::Code::kPermission, "the image was not approved");
}

int Done(const rkt::store::Store::Import::Stored& stored) {
  Report(StrCat("done ", stored.key, " ", stored.already_stored ? 1 : 0, " ",
                stored.tree_id.empty() ? "-" : stored.tree_id, " ", EscapeWord(stored.name), " ",
                EscapeWord(stored.version)));
  return 0;
}

int FetchOci(const char* data_dir) {
  auto store = rkt::store::Store::Open(data_dir);
  if (!store) return Fail(store.error());
  auto text = rkt::ReadFd(rkt::store::kFileFd, 16u << 20);
  if (!text) return Fail(text.error());
  auto request = rkt::image::oci::ParseRequest(*text);
  if (!request) return Fail(request.error());
  rkt::image::oci::ImportEvents events;
  events.progress = [](const std::string& layer, uint64_t done, uint64_t total) {
    Report(StrCat("layer ", EscapeWord(layer), " ", done, " ", total));
  };
  events.waiting = [](const std::string& layer) { Report(StrCat("waiting ", EscapeWord(layer))); };
  auto stored = rkt::fetch::oci::FetchImage(*store, *request, events);
  return stored ? Done(*stored) : Fail(stored.error());
}

// What goes wrong here is the channel itself: rkt, at its other end, sees it closed.
int Transfer() { return rkt::fetch::ServeTransfers(rkt::Channel(rkt::Fd(rkt::store::kFileFd))) ? 0 : 1; }

int Usage() {
  return Fail(rkt::Err(rkt::Code::kInternal, "usage: fetch import DATA-DIR FILE-NAME [--no-render] [--latest] [--verify]"));
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_IGN);
  if (argc == 3 && std::strcmp(argv[1], "oci") == 0) return FetchOci(argv[2]);
  if (argc == 2 && std::strcmp(argv[1], "transfer") == 0) return Transfer();
  if (argc < 4 || std::strcmp(argv[1], "import") != 0) return Usage();
  rkt::fetch::ImportRequest request;
  request.file = rkt::store::kFileFd;
  request.name = argv[3];
  for (int i = 4; i < argc; ++i) {
    if (std::strcmp(argv[i], "--no-render") == 0) {
      request.options.unpack = false;
    } else if (std::strcmp(argv[i], "--latest") == 0) {
      request.options.latest = true;
    } else if (std::strcmp(argv[i], "--verify") == 0) {
      request.copy = rkt::store::kCopyFd;
      request.approve = AskForApproval;
    } else {
      return Usage();
    }
  }
  if (::geteuid() != 0) request.options.unpack = false;
  uint64_t reported = 0;
  request.progress = [&](uint64_t bytes) {
    if (bytes - reported < kProgressStep) return;
    reported = bytes;
    Report(StrCat("progress ", bytes));
  };
  auto store = rkt::store::Store::Open(argv[2]);
  if (!store) return Fail(store.error());
  auto stored = rkt::fetch::ImportArchive(*store, request);
  if (!stored) return Fail(stored.error());
  return Done(*stored);
}
