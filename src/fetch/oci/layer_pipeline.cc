// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/layer_pipeline.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/file.h"
#include "fetch/decoder.h"
#include "fetch/ring.h"
#include "image/oci/reference.h"
#include "store/image_layers.h"

namespace rkt::fetch::oci {

namespace {

constexpr size_t kWorkers = 3;
constexpr size_t kBufferSize = 256u << 10;
constexpr size_t kRawBuffers = 8, kTarBuffers = 12;
enum Reader { kHasher, kUnpacker, kReaders };
// What decompresses to more than this and to more than this many times its size is a bomb.
constexpr uint64_t kSmallLayer = uint64_t{1} << 30;
constexpr uint64_t kMaxRatio = 200;

constexpr useconds_t kLockInterval = 20'000;  // us

Error Stopped() { return Err(Code::kInternal, "another layer failed"); }

// Cuts what comes in pieces of any size into the buffers of a ring.
class RingWriter {
 public:
  explicit RingWriter(Ring& ring) : ring_(ring) {}
  Status Write(std::string_view data) {
    while (!data.empty()) {
      if (buffer_ == nullptr) {
        buffer_ = ring_.Acquire();
        filled_ = 0;
        if (buffer_ == nullptr) return Err(Code::kInternal, "the import was stopped");
      }
      size_t n = std::min(data.size(), ring_.buffer_size() - filled_);
      std::memcpy(buffer_ + filled_, data.data(), n);
      filled_ += n;
      data.remove_prefix(n);
      if (filled_ == ring_.buffer_size()) Flush();
    }
    return {};
  }
  void Flush() {
    if (buffer_ != nullptr && filled_ != 0) ring_.Publish(filled_);
    buffer_ = nullptr;
  }

 private:
  Ring& ring_;
  char* buffer_ = nullptr;
  size_t filled_ = 0;
};

// What arrived so far of a blob, exclusively ours.
class Partial {
 public:
  // Waits for another process that has it (`waiting` hears of that), until `stop`.
  static Result<Partial> Open(const store::Store& store, const std::string& id, const std::atomic<bool>& stop,
                              const std::function<void()>& waiting) {
    int cas = store.cas_fd();
    TRY(store::MakeStoreDir(cas, "partial", 0770));
    std::string path = StrCat("partial/", id);
    for (;;) {
      Fd file = TRY(OpenAt(cas, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0660));
      Lock lock = TRY(LockUnless(stop, std::move(file), waiting));
      struct stat st;
      if (::fstat(lock.fd(), &st) != 0) return SysErr("stat ", path);
      // Members of the group may write here: a name that leads to another file is none of ours.
      if (!S_ISREG(st.st_mode) || st.st_nlink > 1) return Err(Code::kCorrupt, path, " is no file of its own");
      (void)::fchmod(lock.fd(), 0660);
      if (st.st_nlink != 0) return Partial(cas, std::move(path), std::move(lock), static_cast<uint64_t>(st.st_size));
      // Whoever had it is done with it.
    }
  }
  int fd() const { return lock_.fd(); }
  uint64_t size() const { return size_; }
  Status Clear() {
    size_ = 0;
    if (::ftruncate(fd(), 0) != 0 || ::lseek(fd(), 0, SEEK_SET) < 0) return SysErr("truncate ", path_);
    return {};
  }
  void Remove() { (void)UnlinkAt(cas_, path_); }

 private:
  // Looks now and then instead of sleeping in the kernel, so that one layer's error need not wait for another's download.
  static Result<Lock> LockUnless(const std::atomic<bool>& stop, Fd file, const std::function<void()>& waiting) {
    for (bool told = false;; told = true) {
      auto lock = TRY(Lock::TryFd(TRY(DupFd(file.get())), Lock::Kind::kExclusive));
      if (lock) return *std::move(lock);
      if (stop.load(std::memory_order_relaxed)) return Stopped();
      if (!told) waiting();
      ::usleep(kLockInterval);
    }
  }

  Partial(int cas, std::string path, Lock lock, uint64_t size)
      : cas_(cas), path_(std::move(path)), lock_(std::move(lock)), size_(size) {}
  int cas_;
  std::string path_;
  Lock lock_;
  uint64_t size_;
};

class LayerJob {
 public:
  LayerJob(const store::Store& store, BlobSource& source, const Blob& blob, std::string id, bool unpack,
           const std::atomic<bool>& stop, std::function<void(uint64_t)> progress, std::function<void()> waiting)
      : store_(store), source_(source), blob_(blob), id_(std::move(id)), unpack_(unpack), stop_(stop),
        progress_(std::move(progress)), waiting_(std::move(waiting)), raw_digest_(blob.digest.substr(0, 6)), tar_digest_(id_.substr(0, 6)) {}

  // The id of the stored layer.
  Result<std::string> Run() {
    if (Stored()) return id_;
    if (source_.remote()) {
      partial_.emplace(TRY(Partial::Open(store_, TRY(image::oci::DigestId(blob_.digest)), stop_, waiting_)));
      if (Stored()) {  // another process was faster
        partial_->Remove();
        return id_;
      }
    }
    auto import = TRY(store::LayerImport::Begin(store_, unpack_));
    Ring raw(kRawBuffers, kBufferSize, 1), tar(kTarBuffers, kBufferSize, kReaders);
    std::thread reading([&] { Read(raw, tar); });
    std::thread decompressing([&] { Decompress(raw, tar); });
    std::thread hashing([&] { Hash(tar, raw, import); });
    Status unpacked = import.Unpack([&] { return tar.Next(kUnpacker); });
    if (!unpacked) Fail(unpacked.error(), raw, tar);
    reading.join();
    decompressing.join();
    hashing.join();
    if (error_) {
      // Bytes that are wrong once are wrong again.
      if (partial_ && error_->code() != Code::kNetwork && error_->err() != ENOSPC) partial_->Remove();
      return *std::move(error_);
    }
    std::string id = tar_digest_.Id();
    if (!id_.empty() && id != id_) {
      if (partial_) partial_->Remove();
      return Err(Code::kCorrupt, "layer ", blob_.digest, " has the content ", id, " instead of ", id_);
    }
    TRY(import.Commit(id));
    if (partial_) partial_->Remove();
    return id;
  }

 private:
  const std::string& Name() const { return blob_.digest.empty() ? blob_.place : blob_.digest; }
  bool Stored() const { return !id_.empty() && store::HasLayer(store_, id_); }

  // The first error counts: what others fail with is its consequence.
  void Fail(const Error& error, Ring& raw, Ring& tar) {
    {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = error;
    }
    raw.Abort(error);
    tar.Abort(error);
  }

  Status Take(std::string_view piece, RingWriter& writer) {
    if (stop_.load(std::memory_order_relaxed)) return Stopped();
    read_ += piece.size();
    if (blob_.known_size && !blob_.digest.empty() && read_ > blob_.size) {
      return Err(Code::kCorrupt, "blob ", blob_.digest, " is longer than the ", blob_.size, " bytes announced");
    }
    raw_digest_.Update(piece);
    if (progress_) progress_(read_);
    return writer.Write(piece);
  }

  void Read(Ring& raw, Ring& tar) {
    RingWriter writer(raw);
    auto read = [&]() -> Status {
      if (partial_ && partial_->size() != 0 && blob_.known_size && partial_->size() <= blob_.size) {
        std::string buffer(kBufferSize, '\0');
        for (;;) {
          ssize_t n = ::read(partial_->fd(), buffer.data(), buffer.size());
          if (n < 0) return SysErr("read cas/partial");
          if (n == 0) break;
          TRY(Take(std::string_view(buffer).substr(0, static_cast<size_t>(n)), writer));
        }
      } else if (partial_) {
        TRY(partial_->Clear());
      }
      if (!blob_.known_size || blob_.digest.empty() || read_ < blob_.size) {
        TRY(source_.Read(blob_, read_, [&](std::string_view piece) -> Status {
          if (partial_) {
            if (Status written = WriteAll(partial_->fd(), piece); !written) {
              return ErrnoError(written.error().err(), "write cas/partial");
            }
          }
          return Take(piece, writer);
        }));
      }
      if (blob_.digest.empty()) return {};
      if (blob_.known_size && read_ != blob_.size) {
        return Err(Code::kNetwork, "blob ", blob_.digest, " ends after ", read_.load(), " of ", blob_.size, " bytes");
      }
      if (TRY(image::oci::DigestId(blob_.digest)) != raw_digest_.Id()) {
        return Err(Code::kCorrupt, "blob ", blob_.digest, " has another digest");
      }
      return {};
    };
    if (Status status = read(); !status) return Fail(status.error(), raw, tar);
    writer.Flush();
    raw.Close();
  }

  void Decompress(Ring& raw, Ring& tar) {
    auto decompress = [&]() -> Status {
      Input input([&] { return raw.Next(0); }, Name());
      auto decoder = TRY(MakeLayerDecoder(input));
      uint64_t total = 0;
      for (;;) {
        char* buffer = tar.Acquire();
        if (buffer == nullptr) return {};
        size_t filled = 0;
        while (filled < tar.buffer_size()) {
          size_t n = TRY(decoder->Read(buffer + filled, tar.buffer_size() - filled));
          if (n == 0) break;
          filled += n;
        }
        total += filled;
        // Where the size was not announced, what has come so far is a fair measure: little of it is not read yet.
        const uint64_t compressed = blob_.known_size && !blob_.digest.empty() ? blob_.size : read_.load();
        if (total > kSmallLayer && total / kMaxRatio > compressed) {
          return Err(Code::kInvalid, "blob ", Name(), " of ", compressed, " bytes decompresses to more than ", total,
                     ": refused");
        }
        if (filled != 0) tar.Publish(filled);
        if (filled < tar.buffer_size()) break;
      }
      // Nothing may follow, and the reader must come to its end to know the digest.
      while (!TRY(input.Peek()).empty()) input.Use(TRY(input.Peek()).size());
      tar.Close();
      return {};
    };
    if (Status status = decompress(); !status) Fail(status.error(), raw, tar);
  }

  void Hash(Ring& tar, Ring& raw, store::LayerImport& import) {
    for (;;) {
      auto piece = tar.Next(kHasher);
      if (!piece || piece->empty()) return;
      tar_digest_.Update(*piece);
      if (Status written = import.Write(*piece); !written) return Fail(written.error(), raw, tar);
    }
  }

  const store::Store& store_;
  BlobSource& source_;
  const Blob& blob_;
  const std::string id_;
  const bool unpack_;
  const std::atomic<bool>& stop_;
  const std::function<void(uint64_t)> progress_;
  const std::function<void()> waiting_;
  std::optional<Partial> partial_;
  store::LayerDigest raw_digest_, tar_digest_;
  std::atomic<uint64_t> read_ = 0;
  std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace

Result<store::Store::Import::Stored> ImportImage(store::Store& store, BlobSource& source, const FoundImage& image,
                                                 const ImportOptions& options) {
  std::string manifest = TRY(image::oci::ConvertConfig(image.config, image.origin));
  if (image.layers.size() > store::kMaxImageLayers) {
    return Err(Code::kInvalid, "an image of ", image.layers.size(), " layers (at most ", store::kMaxImageLayers, ")");
  }
  (void)store.CollectTemporary();
  Lock lock = TRY(store::LockLayers(store, Lock::Kind::kShared));
  const bool unpack = options.render && ::geteuid() == 0;

  // The same layer may come twice, empty ones do.
  std::vector<std::string> ids(image.layers.size());
  std::vector<size_t> todo;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    if (i < image.config.diff_ids.size()) ids[i] = TRY(image::oci::DigestId(image.config.diff_ids[i]));
    bool repeated = false;
    for (size_t other : todo) repeated = repeated || (!ids[i].empty() && ids[other] == ids[i]);
    if (!repeated) todo.push_back(i);
  }
  // The largest first, so that no long one is left alone at the end.
  std::stable_sort(todo.begin(), todo.end(),
                   [&](size_t a, size_t b) { return image.layers[a].size > image.layers[b].size; });
  std::atomic<bool> stop = false;
  std::mutex mutex;
  size_t next = 0;
  std::optional<Error> error;
  bool told = false;
  auto work = [&] {
    for (;;) {
      size_t i;
      {
        std::lock_guard guard(mutex);
        if (error || next == todo.size()) return;
        i = todo[next++];
      }
      const Blob& blob = image.layers[i];
      auto progress = [&](uint64_t done) {
        if (!options.events.progress) return;
        std::lock_guard guard(mutex);
        const std::string& name = blob.digest.empty() ? ids[i].empty() ? blob.place : ids[i] : blob.digest;
        options.events.progress(name, done, blob.size);
      };
      auto waiting = [&] {
        std::lock_guard guard(mutex);
        if (!std::exchange(told, true) && options.events.waiting) options.events.waiting(blob.digest);
      };
      auto id = LayerJob(store, source, blob, ids[i], unpack, stop, progress, waiting).Run();
      std::lock_guard guard(mutex);
      if (id) {
        ids[i] = *std::move(id);
      } else if (!error) {
        error = std::move(id).error();
        stop = true;
      }
    }
  };
  std::vector<std::thread> workers;
  for (size_t i = 1; i < std::min(kWorkers, todo.size()); ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (error) return *std::move(error);
  return store::StoreLayeredImage(store, {std::move(manifest), std::move(ids), image.latest, options.render});
}

}  // namespace rkt::fetch::oci
