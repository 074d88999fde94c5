// Two kernels whose PTX tests/helpers/negative_engine.py holds, as C++: the fake GPU runs these.
#include "driver.h"

#include <cstring>

using namespace fake;  // NOLINT: this file is the face of it

namespace {

using Guard = std::lock_guard<std::recursive_mutex>;

struct Kernel {
    const char* name;
    bool floats;
};

constexpr Kernel kKernels[] = {{"negative_float", true}, {"negative_uint8", false}};
char module;

// What is missing becomes its negative; letters as in the kernels.
Status run(bool floats, uintptr_t image, uintptr_t hole, uintptr_t result, int count, int plane) {
    size_t size = floats ? sizeof(float) : 1, holes = static_cast<size_t>(count) / 3;
    size_t bytes = static_cast<size_t>(count) * size;
    if (!inside(image, bytes) || !inside(hole, holes * size) || !inside(result, bytes)) {
        return kIllegalAddress;
    }
    for (int at = 0; at < count; ++at) {
        if (floats) {
            int position = at / (3 * plane) * plane + at % plane;
            float value = reinterpret_cast<float*>(image)[at];
            bool missing = reinterpret_cast<float*>(hole)[position] > 0.5F;
            reinterpret_cast<float*>(result)[at] = missing ? -value : value;
        } else {
            auto value = reinterpret_cast<unsigned char*>(image)[at];
            bool missing = reinterpret_cast<unsigned char*>(hole)[at / 3] != 0;
            reinterpret_cast<unsigned char*>(result)[at] =
                static_cast<unsigned char>(missing ? 255 - value : value);
        }
    }
    return kSuccess;
}

}  // namespace

extern "C" {

Status cuModuleLoadData(void** loaded, const char* image) {
    if (Status status = refuse("cuModuleLoadData")) {
        return status;
    }
    *loaded = &module;
    return std::strstr(image, ".version") ? kSuccess : kInvalidSource;
}

Status cuModuleUnload(void*) { return kSuccess; }

Status cuModuleGetFunction(const Kernel** function, void*, const char* name) {
    for (const Kernel& kernel : kKernels) {
        if (std::strcmp(kernel.name, name) == 0) {
            *function = &kernel;
            return kSuccess;
        }
    }
    return kNotFound;
}

Status cuLaunchKernel(const Kernel* kernel, unsigned blocks, unsigned, unsigned, unsigned threads,
                      unsigned, unsigned, unsigned, void* handle, void** arguments, void**) {
    Guard guard(driver().lock);
    if (Status status = refuse("cuLaunchKernel")) {
        return status;
    }
    Stream* stream = stream_of(handle);
    if (stream == nullptr) {
        return kInvalidHandle;
    }
    uintptr_t pointers[3];
    for (int index = 0; index < 3; ++index) {
        pointers[index] = *static_cast<uintptr_t*>(arguments[index]);
    }
    int count = *static_cast<int*>(arguments[3]), plane = *static_cast<int*>(arguments[4]);
    if (static_cast<int64_t>(blocks) * threads < count) {
        return kInvalidValue;
    }
    return enqueue(stream, [=, floats = kernel->floats] {
        return run(floats, pointers[0], pointers[1], pointers[2], count, plane);
    });
}
}
