// The driver's calls for devices, contexts, memory and errors, and how it gives its functions out.
#include "driver.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

using namespace fake;  // NOLINT: this file is the face of it

namespace {

using Guard = std::lock_guard<std::recursive_mutex>;

struct Named {
    Status status;
    const char *name, *text;
};

constexpr Named kNames[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {300, "CUDA_ERROR_INVALID_SOURCE", "device kernel image is invalid"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
};

const Named* named(Status status) {
    for (const Named& one : kNames) {
        if (one.status == status) {
            return &one;
        }
    }
    return nullptr;
}

Status allocate(size_t bytes, bool device, void** address) {
    Driver& it = driver();
    if (Status status = refuse_while_capturing()) {
        return status;
    }
    if (bytes == 0) {
        return kInvalidValue;
    }
    if (device && it.device_bytes + bytes > it.limit) {
        return kOutOfMemory;
    }
    size_t whole = (bytes + 2 * kGuard + 511) / 512 * 512;
    char* begin = static_cast<char*>(std::aligned_alloc(512, whole));
    std::memset(begin, kGuarded, whole);
    std::memset(begin + kGuard, kPoison, bytes);
    it.device_bytes += device ? bytes : 0;
    it.blocks[reinterpret_cast<uintptr_t>(begin + kGuard)] = {bytes, begin, device};
    *address = begin + kGuard;
    return kSuccess;
}

Status release(uintptr_t address, bool device) {
    Driver& it = driver();
    auto found = it.blocks.find(address);
    if (found == it.blocks.end() || found->second.device != device) {
        return kInvalidValue;
    }
    Block block = found->second;
    for (size_t at = 0; at < kGuard; ++at) {
        unsigned char before = block.begin[at], after = block.begin[kGuard + block.bytes + at];
        it.violations += before != kGuarded || after != kGuarded;
    }
    std::memset(block.begin + kGuard, kPoison, block.bytes);
    it.device_bytes -= device ? block.bytes : 0;
    std::free(block.begin);
    it.blocks.erase(found);
    return kSuccess;
}

}  // namespace

extern "C" {

Status cuInit(unsigned) {
    Driver& it = driver();
    if (it.process == 0) {
        it.process = getpid();
    }
    return refuse("cuInit", false);
}

Status cuDriverGetVersion(int* version) { return *version = 13000, kSuccess; }

Status cuGetErrorName(Status status, const char** text) {
    const Named* one = named(status);
    *text = one ? one->name : nullptr;
    return one ? kSuccess : kInvalidValue;
}

Status cuGetErrorString(Status status, const char** text) {
    const Named* one = named(status);
    *text = one ? one->text : nullptr;
    return one ? kSuccess : kInvalidValue;
}

Status cuDeviceGetCount(int* count) {
    *count = kDevices;
    return refuse("cuDeviceGetCount", false);
}

Status cuDeviceGet(int* device, int ordinal) {
    *device = ordinal;
    Status status = refuse("cuDeviceGet", false);
    return status ? status : (ordinal < 0 || ordinal >= kDevices ? kInvalidDevice : kSuccess);
}

Status cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = attribute == 75 ? 9 : 0;  // the major part of the compute capability
    return refuse("cuDeviceGetAttribute", false);
}

Status cuDeviceGetName(char* name, int size, int) {
    std::strncpy(name, "a fake GPU", static_cast<size_t>(size));
    return refuse("cuDeviceGetName", false);
}

Status cuDevicePrimaryCtxRetain(Context** context, int device) {
    Guard guard(driver().lock);
    if (Status status = refuse("cuDevicePrimaryCtxRetain", false)) {
        return status;
    }
    *context = &driver().contexts[device];
    ++(*context)->retained;
    return kSuccess;
}

Status cuDevicePrimaryCtxRelease_v2(int device) {
    Guard guard(driver().lock);
    Context& context = driver().contexts[device];
    if (context.retained == 0) {
        return kInvalidContext;
    }
    --context.retained;
    return kSuccess;
}

Status cuCtxPushCurrent_v2(Context* context) {
    if (Status status = refuse("cuCtxPushCurrent", false)) {
        return status;
    }
    current().push_back(context);
    return kSuccess;
}

Status cuCtxPopCurrent_v2(Context** context) {
    if (current().empty()) {
        return kInvalidContext;
    }
    *context = current().back();
    current().pop_back();
    return kSuccess;
}

Status cuCtxGetCurrent(Context** context) {
    *context = current().empty() ? nullptr : current().back();
    return kSuccess;
}

Status cuCtxSetCurrent(Context* context) {
    if (current().empty()) {
        current().push_back(context);
    }
    current().back() = context;
    return kSuccess;
}

Status cuMemGetInfo_v2(size_t* free, size_t* total) {
    Guard guard(driver().lock);
    *total = driver().limit;
    *free = driver().limit - driver().device_bytes;
    return refuse("cuMemGetInfo");
}

Status cuMemAlloc_v2(void** address, size_t bytes) {
    Guard guard(driver().lock);
    Status status = refuse("cuMemAlloc");
    return status ? status : allocate(bytes, true, address);
}

Status cuMemFree_v2(uintptr_t address) {
    Guard guard(driver().lock);
    Status status = refuse("cuMemFree");
    return status ? status : release(address, true);
}

Status cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    Guard guard(driver().lock);
    Status status = refuse("cuMemHostAlloc");
    return status ? status : allocate(bytes, false, address);
}

Status cuMemFreeHost(void* address) {
    Guard guard(driver().lock);
    Status status = refuse("cuMemFreeHost");
    return status ? status : release(reinterpret_cast<uintptr_t>(address), false);
}

// What the tests of the kernels call; the kernels of the tests' CPU run when they are launched.
Status cuCtxSynchronize() {
    Guard guard(driver().lock);
    for (Stream* stream : driver().streams) {
        drain(stream, stream->enqueued);
    }
    return refuse("cuCtxSynchronize");
}

Status cuMemsetD8_v2(uintptr_t address, unsigned char value, size_t bytes) {
    Guard guard(driver().lock);
    if (!inside(address, bytes)) {
        return kInvalidValue;
    }
    std::memset(reinterpret_cast<void*>(address), value, bytes);
    return refuse("cuMemsetD8");
}

Status cuMemcpyHtoD_v2(uintptr_t target, const void* source, size_t bytes) {
    Guard guard(driver().lock);
    if (!inside(target, bytes)) {
        return kInvalidValue;
    }
    std::memcpy(reinterpret_cast<void*>(target), source, bytes);
    return refuse("cuMemcpyHtoD");
}

Status cuMemcpyDtoH_v2(void* target, uintptr_t source, size_t bytes) {
    Guard guard(driver().lock);
    if (!inside(source, bytes)) {
        return kInvalidValue;
    }
    std::memcpy(target, reinterpret_cast<void*>(source), bytes);
    return refuse("cuMemcpyDtoH");
}

Status cuPointerGetAttribute(int* value, int, uintptr_t address) {
    Guard guard(driver().lock);
    *value = 0;  // the device that owns the memory
    return inside(address, 1) ? kSuccess : kInvalidValue;
}

// What a test asks and decides.
void fake_fail(const char* call, Status status) { driver().failing[call] = status; }
void fake_limit(size_t bytes) { driver().limit = bytes; }
int fake_violations() { return driver().violations; }

// Break an engine's address space as a defect would: the context is lost from then on, until
// this is called with 0.
void fake_break(Status status) { driver().broken = status; }

// What was made and not freed.
int fake_live() {
    Driver& it = driver();
    int retained = 0;
    for (const Context& context : it.contexts) {
        retained += context.retained;
    }
    return retained + static_cast<int>(it.streams.size() + it.events.size() + it.graphs.size() +
                                       it.programs.size() + it.blocks.size());
}

Status cuGetProcAddress_v2(const char* symbol, void** function, int, uint64_t, int* found) {
    static void* self = [] {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&cuInit), &info);
        return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    }();
    *function = dlsym(self, (std::string(symbol) + "_v2").c_str());
    *function = *function ? *function : dlsym(self, symbol);
    if (found) {
        *found = *function ? 0 : 1;  // CU_GET_PROC_ADDRESS_SUCCESS, ..._SYMBOL_NOT_FOUND
    }
    return *function ? kSuccess : kNotFound;
}
}
