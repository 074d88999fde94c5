// plugin_test.cpp - does to the plugin what TensorRT does before the first inference.
//
//   plugin_test --list             the names of the cases
//   plugin_test LIBRARY CASE...    exit code 0 if all hold
//
// No GPU and no TensorRT: its interfaces are called as the builder and the runtime call them.

#include <cstring>

#include "checks.h"

namespace {

int gFailures = 0;

Cases allCases() {
  Cases all = creatorCases();
  all.merge(layerCases());
  return all;
}

}  // namespace

void check(bool holds, char const* condition, char const* file, int line) {
  if (!holds) {
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    ++gFailures;
  }
}

void checkMessage(char const* part, char const* file, int line) {
  std::string const message = takeMessage();
  if (message.find(part) == std::string::npos) {
    std::fprintf(stderr, "%s:%d: expected \"%s\" in the message \"%s\"\n", file, line, part,
                 message.c_str());
    ++gFailures;
  }
}

int main(int count, char** words) {
  Cases const cases = allCases();
  if (count == 2 && std::strcmp(words[1], "--list") == 0) {
    for (auto const& [name, function] : cases) {
      std::printf("%s\n", name.c_str());
    }
    return 0;
  }
  if (count < 3) {
    fail("usage: plugin_test --list | LIBRARY CASE...");
  }
  LoadedLibrary const library(words[1]);
  for (int i = 2; i < count; ++i) {
    auto const found = cases.find(words[i]);
    if (found == cases.end()) {
      fail(std::string("no case ") + words[i]);
    }
    found->second(library);
  }
  return gFailures == 0 ? 0 : 1;
}
