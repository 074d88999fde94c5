// simt_check.cpp - find missing barriers, memory used before it is written, and stray accesses.
//
// The kernels may be compiled with -fsanitize=thread: the compiler then calls __tsan_read4 and
// its like before every access. Instead of linking ThreadSanitizer, whose vector clocks are made
// for locks and real threads, the calls arrive here. On a GPU only one thing orders two threads
// of a block: a barrier between them; and nothing orders two blocks of a launch. So two accesses
// to the same bytes, one of them a write, are a race if they come from different blocks of a
// launch, or from different threads of a block in the same phase (the count of its barriers).
// That holds however the fibres were scheduled: one run finds every race on the paths it takes.
//
// Atomic operations do not race with each other. Exchanges within a warp order nothing here, as
// on a GPU. Shared memory and the caller's buffers are watched, and a zone beside each buffer.

#include "simt_check.h"

#include <link.h>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace simt {

void note(const void* address, size_t bytes, Access access);  // simt.cpp

namespace {

constexpr size_t kCellBytes = 2;  // the smallest element
constexpr uint32_t kNobody = 0xffffffffU;

// The last write, and two different readers since: more do not add a race that they would not.
struct Cell {
  Place write{0, 0, 0, kNobody};
  Place read{0, 0, 0, kNobody};
  Place other{0, 0, 0, kNobody};
  bool atomic = false;
};

struct Buffer {
  Range memory;
  size_t zone;  // bytes on either side that belong to nobody
  int device;
  std::unique_ptr<std::vector<Cell>> cells;
};

std::vector<Buffer> buffers;
std::vector<Cell> shared_cells;
char first_report[512] = "";
int reports = 0;
bool watching = false;
thread_local char in_segment = 0;  // makes sure that there is a thread-local segment

int findSegment(dl_phdr_info* info, size_t, void* result) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    char* begin = static_cast<char*>(info->dlpi_tls_data);
    if (header.p_type == PT_TLS && begin != nullptr && &in_segment >= begin &&
        &in_segment < begin + header.p_memsz) {
      *static_cast<Range*>(result) = {begin, header.p_memsz};
      return 1;
    }
  }
  return 0;
}

// `shared` memory is another block's own; buffers are the same for all.
bool races(const Place& a, const Place& b, bool shared) {
  if (b.thread == kNobody || a.launch != b.launch) {
    return false;
  }
  if (a.block != b.block) {
    return !shared;
  }
  return a.thread != b.thread && a.phase == b.phase;
}

void reportRace(const Place& a, const Place& b, const char* what, size_t offset) {
  report("race on %s, byte %zu: threads %u and %u of blocks %u and %u in phases %u and %u", what,
         offset, b.thread, a.thread, b.block, a.block, b.phase, a.phase);
}

void visit(Cell* cell, const Place& place, Access access, bool shared, size_t offset) {
  const char* what = shared ? "shared memory" : "a buffer";
  const bool both_atomic = access == Access::kAtomic && cell->atomic;
  if (!both_atomic && races(place, cell->write, shared)) {
    reportRace(place, cell->write, what, offset);
  }
  if (access == Access::kRead) {
    const bool same = cell->read.thread == place.thread && cell->read.block == place.block;
    if (!races(place, cell->read, shared) || same) {
      cell->read = place;
    } else {
      cell->other = place;
    }
    return;
  }
  for (const Place& reader : {cell->read, cell->other}) {
    if (races(place, reader, shared)) {
      reportRace(place, reader, what, offset);
    }
  }
  cell->write = place;
  cell->atomic = access == Access::kAtomic;
  cell->read.thread = kNobody;
  cell->other.thread = kNobody;
}

void visitAll(std::vector<Cell>* cells, size_t offset, size_t bytes, const Place& place,
              Access access, bool shared) {
  const size_t last = (offset + bytes - 1) / kCellBytes;
  for (size_t i = offset / kCellBytes; i <= last && i < cells->size(); ++i) {
    visit(&(*cells)[i], place, access, shared, i * kCellBytes);
  }
}

bool contains(const Range& range, const char* address) {
  return address >= range.begin && address < range.begin + range.bytes;
}

}  // namespace

Range sharedMemory() {
  static const Range range = [] {
    in_segment = 1;  // allocates the segment
    Range found{};
    dl_iterate_phdr(findSegment, &found);
    return found;
  }();
  return range;
}

void poisonShared() { std::memset(sharedMemory().begin, 0xff, sharedMemory().bytes); }

void record(const Place& place, const void* pointer, size_t bytes, Access access) {
  if (!watching) {
    return;
  }
  const char* address = static_cast<const char*>(pointer);
  const Range shared = sharedMemory();
  if (contains(shared, address)) {
    shared_cells.resize(shared.bytes / kCellBytes + 1);
    visitAll(&shared_cells, static_cast<size_t>(address - shared.begin), bytes, place, access,
             true);
    return;
  }
  for (const Buffer& buffer : buffers) {
    const Range around{buffer.memory.begin - buffer.zone, buffer.memory.bytes + 2 * buffer.zone};
    if (!contains(around, address)) {
      continue;
    }
    if (!contains(buffer.memory, address) || !contains(buffer.memory, address + bytes - 1)) {
      report("%zu bytes accessed at byte %td of a buffer of %zu", bytes,
             address - buffer.memory.begin, buffer.memory.bytes);
      return;
    }
    visitAll(buffer.cells.get(), static_cast<size_t>(address - buffer.memory.begin), bytes, place,
             access, false);
    return;
  }
}

bool findDevice(const void* pointer, int* device) {
  for (const Buffer& buffer : buffers) {
    if (contains(buffer.memory, static_cast<const char*>(pointer))) {
      *device = buffer.device;
      return true;
    }
  }
  return false;
}

void report(const char* format, ...) {
  if (reports++ == 0) {
    va_list values;
    va_start(values, format);
    std::vsnprintf(first_report, sizeof(first_report), format, values);
    va_end(values);
  }
}

}  // namespace simt

// ---- what tests ask for ---------------------------------------------------------------
extern "C" {
#define SIMT_API __attribute__((visibility("default")))

// Say that `bytes` at `begin` are memory of a device, with `zone` bytes of nobody's around.
SIMT_API void simt_register(char* begin, size_t bytes, size_t zone, int device) {
  auto cells =
      std::make_unique<std::vector<simt::Cell>>(simt::watching ? bytes / simt::kCellBytes + 1 : 0);
  simt::buffers.push_back({{begin, bytes}, zone, device, std::move(cells)});
}

SIMT_API void simt_forget_memory() { simt::buffers.clear(); }

SIMT_API void simt_watch(int watching) { simt::watching = watching != 0; }

SIMT_API int simt_reports() { return simt::reports; }

SIMT_API const char* simt_first_report() { return simt::first_report; }

SIMT_API void simt_clear_reports() {
  simt::reports = 0;
  simt::first_report[0] = '\0';
}

// What the compiler calls for every access.
#define SIMT_ACCESS(size)                                                                 \
  void __tsan_read##size(void* p) { simt::note(p, size, simt::Access::kRead); }           \
  void __tsan_write##size(void* p) { simt::note(p, size, simt::Access::kWrite); }         \
  void __tsan_unaligned_read##size(void* p) { simt::note(p, size, simt::Access::kRead); } \
  void __tsan_unaligned_write##size(void* p) { simt::note(p, size, simt::Access::kWrite); }
SIMT_ACCESS(1)
SIMT_ACCESS(2)
SIMT_ACCESS(4)
SIMT_ACCESS(8)
SIMT_ACCESS(16)
void __tsan_read_range(void* p, size_t bytes) { simt::note(p, bytes, simt::Access::kRead); }
void __tsan_write_range(void* p, size_t bytes) { simt::note(p, bytes, simt::Access::kWrite); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

}  // extern "C"
