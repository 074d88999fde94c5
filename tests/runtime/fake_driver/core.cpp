// How the fake driver keeps order: what is enqueued is done when somebody waits for it.
#include "driver.h"

#include <unistd.h>

namespace fake {

Driver& driver() {
    static Driver* it = new Driver;  // never destroyed: objects of Python may outlive everything
    return *it;
}

std::vector<Context*>& current() {
    thread_local std::vector<Context*> stack;
    return stack;
}

Stream*& captured_by_this_thread() {
    thread_local Stream* stream = nullptr;
    return stream;
}

Status refuse(const char* name, bool needs_context) {
    Driver& it = driver();
    if (it.process != getpid()) {
        return kNotInitialized;  // NVIDIA's says so after a fork too
    }
    auto failing = it.failing.find(name);
    if (failing != it.failing.end()) {
        Status status = failing->second;
        it.failing.erase(failing);
        return status;
    }
    if (needs_context && (current().empty() || current().back() == nullptr)) {
        return kInvalidContext;
    }
    if (needs_context && current().back()->retained == 0) {
        return kContextDestroyed;
    }
    return needs_context ? it.broken : kSuccess;
}

Status refuse_while_capturing() {
    if (Stream* stream = captured_by_this_thread()) {
        stream->invalidated = true;
        return kCaptureUnsupported;
    }
    return kSuccess;
}

Status enqueue(Stream* stream, Work work) {
    if (stream->capturing) {
        if (stream->invalidated) {
            return kCaptureInvalidated;
        }
        stream->captured.push_back(std::move(work));
        return kSuccess;
    }
    stream->work.push_back(std::move(work));
    ++stream->enqueued;
    return kSuccess;
}

Status drain(Stream* stream, uint64_t until) {
    Driver& it = driver();
    while (stream->done < until && !stream->work.empty()) {
        Work work = std::move(stream->work.front());
        stream->work.pop_front();
        ++stream->done;
        if (it.broken == kSuccess) {
            it.broken = work();
        }
    }
    return it.broken;
}

bool inside(uintptr_t address, size_t bytes) {
    auto after = driver().blocks.upper_bound(address);
    if (after == driver().blocks.begin()) {
        return false;
    }
    --after;
    return address + bytes <= after->first + after->second.bytes;
}

Stream* stream_of(void* handle) {
    auto found = driver().streams.find(static_cast<Stream*>(handle));
    return found == driver().streams.end() ? nullptr : *found;
}

}  // namespace fake
