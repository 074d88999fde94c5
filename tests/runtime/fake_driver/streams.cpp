// The driver's calls for streams, events, copies and graphs.
#include "driver.h"

#include <chrono>
#include <cstring>

using namespace fake;  // NOLINT: this file is the face of it

namespace {

using Guard = std::lock_guard<std::recursive_mutex>;

double now() {
    auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

// Both ends are looked at when the copy is done, as a GPU does: freed memory is found.
Status copy(uintptr_t target, uintptr_t source, size_t bytes, void* handle, bool to_device) {
    Stream* stream = stream_of(handle);
    if (stream == nullptr) {
        return kInvalidHandle;
    }
    uintptr_t host = to_device ? source : target;
    if (!inside(host, bytes)) {
        return kInvalidValue;  // NVIDIA's copies pageable memory too, but not asynchronously
    }
    return enqueue(stream, [=] {
        if (!inside(target, bytes) || !inside(source, bytes)) {
            return kIllegalAddress;
        }
        std::memcpy(reinterpret_cast<void*>(target), reinterpret_cast<void*>(source), bytes);
        return kSuccess;
    });
}

Status known(Event* event) { return driver().events.count(event) ? kSuccess : kInvalidHandle; }

}  // namespace

extern "C" {

Status cuStreamCreate(Stream** stream, unsigned) {
    Guard guard(driver().lock);
    if (Status status = refuse("cuStreamCreate")) {
        return status;
    }
    driver().streams.insert(*stream = new Stream);
    return kSuccess;
}

Status cuStreamDestroy_v2(Stream* stream) {
    Guard guard(driver().lock);
    if (!stream_of(stream)) {
        return kInvalidHandle;
    }
    drain(stream, stream->enqueued);
    driver().streams.erase(stream);
    delete stream;
    return kSuccess;
}

Status cuStreamSynchronize(Stream* stream) {
    Guard guard(driver().lock);
    if (Status status = refuse("cuStreamSynchronize")) {
        return status;
    }
    if (!stream_of(stream)) {
        return kInvalidHandle;
    }
    Status status = refuse_while_capturing();
    return status ? status : drain(stream, stream->enqueued);
}

Status cuEventCreate(Event** event, unsigned flags) {
    Guard guard(driver().lock);
    if (Status status = refuse("cuEventCreate")) {
        return status;
    }
    driver().events.insert(*event = new Event);
    (*event)->timing = !(flags & 2);  // CU_EVENT_DISABLE_TIMING
    return kSuccess;
}

Status cuEventDestroy_v2(Event* event) {
    Guard guard(driver().lock);
    if (Status status = known(event)) {
        return status;
    }
    driver().events.erase(event);
    delete event;
    return kSuccess;
}

Status cuEventRecord(Event* event, Stream* stream) {
    Guard guard(driver().lock);
    Status status = refuse("cuEventRecord");
    if (status || (status = known(event)) || !stream_of(stream)) {
        return status ? status : kInvalidHandle;
    }
    event->recorded = false;
    status = enqueue(stream, [=] {
        event->seconds = now();
        event->recorded = true;
        return kSuccess;
    });
    event->stream = stream;
    event->position = stream->enqueued;
    return status;
}

Status cuEventSynchronize(Event* event) {
    Guard guard(driver().lock);
    Status status = refuse("cuEventSynchronize");
    if (status || (status = known(event)) || (status = refuse_while_capturing())) {
        return status;
    }
    return stream_of(event->stream) ? drain(event->stream, event->position) : driver().broken;
}

// Each question lets the GPU do one piece of work, so that asking until it is done ends.
Status cuEventQuery(Event* event) {
    Guard guard(driver().lock);
    Status status = refuse("cuEventQuery");
    if (status || (status = known(event))) {
        return status;
    }
    if (!stream_of(event->stream) || event->stream->done >= event->position) {
        return driver().broken;
    }
    status = drain(event->stream, event->stream->done + 1);
    return status ? status : kNotReady;
}

Status cuEventElapsedTime_v2(float* milliseconds, Event* start, Event* end) {
    Guard guard(driver().lock);
    if (known(start) || known(end) || !start->timing || !end->timing) {
        return kInvalidHandle;
    }
    if (!start->recorded || !end->recorded) {
        return kNotReady;
    }
    *milliseconds = static_cast<float>((end->seconds - start->seconds) * 1e3);
    return refuse("cuEventElapsedTime");
}

Status cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
    return cuEventElapsedTime_v2(milliseconds, start, end);
}

Status cuStreamWaitEvent(Stream* stream, Event* event, unsigned) {
    Guard guard(driver().lock);
    if (!stream_of(stream) || known(event)) {
        return kInvalidHandle;
    }
    Stream* other = event->stream;
    uint64_t position = event->position;
    return enqueue(stream, [=] { return stream_of(other) ? drain(other, position) : kSuccess; });
}

Status cuMemcpyHtoDAsync_v2(uintptr_t target, uintptr_t source, size_t bytes, void* stream) {
    Guard guard(driver().lock);
    Status status = refuse("cuMemcpyHtoDAsync");
    return status ? status : copy(target, source, bytes, stream, true);
}

Status cuMemcpyDtoHAsync_v2(uintptr_t target, uintptr_t source, size_t bytes, void* stream) {
    Guard guard(driver().lock);
    Status status = refuse("cuMemcpyDtoHAsync");
    return status ? status : copy(target, source, bytes, stream, false);
}

Status cuStreamBeginCapture_v2(Stream* stream, int) {
    Guard guard(driver().lock);
    Status status = refuse("cuStreamBeginCapture");
    if (status || !stream_of(stream)) {
        return status ? status : kInvalidHandle;
    }
    stream->capturing = true;
    stream->invalidated = false;
    stream->captured.clear();
    captured_by_this_thread() = stream;
    return kSuccess;
}

Status cuStreamEndCapture(Stream* stream, Graph** graph) {
    Guard guard(driver().lock);
    *graph = nullptr;
    if (!stream_of(stream) || !stream->capturing) {
        return kInvalidValue;
    }
    stream->capturing = false;
    captured_by_this_thread() = nullptr;
    if (stream->invalidated) {
        return kCaptureInvalidated;
    }
    driver().graphs.insert(*graph = new Graph{std::move(stream->captured)});
    return refuse("cuStreamEndCapture");
}

Status cuGraphInstantiateWithFlags(Graph** program, Graph* graph, unsigned long long) {
    Guard guard(driver().lock);
    Status status = refuse("cuGraphInstantiate");
    if (status || !driver().graphs.count(graph)) {
        return status ? status : kInvalidHandle;
    }
    driver().programs.insert(*program = new Graph(*graph));
    return kSuccess;
}

Status cuGraphDestroy(Graph* graph) {
    Guard guard(driver().lock);
    bool there = driver().graphs.erase(graph) == 1;
    delete (there ? graph : nullptr);
    return there ? kSuccess : kInvalidHandle;
}

Status cuGraphExecDestroy(Graph* program) {
    Guard guard(driver().lock);
    bool there = driver().programs.erase(program) == 1;
    delete (there ? program : nullptr);
    return there ? kSuccess : kInvalidHandle;
}

Status cuGraphLaunch(Graph* program, Stream* stream) {
    Guard guard(driver().lock);
    Status status = refuse("cuGraphLaunch");
    if (status || !stream_of(stream) || !driver().programs.count(program)) {
        return status ? status : kInvalidHandle;
    }
    return enqueue(stream, [work = program->work] {
        for (const Work& one : work) {
            if (Status failed = one()) {
                return failed;
            }
        }
        return kSuccess;
    });
}
}
