// checks.h - conditions that must hold, and the cases that state them.
#ifndef CSAKIT_TESTS_CHECKS_H_
#define CSAKIT_TESTS_CHECKS_H_

#include <map>
#include <string>

#include "loading.h"

#define CHECK(condition) check(condition, #condition, __FILE__, __LINE__)
#define CHECK_MESSAGE(part) checkMessage(part, __FILE__, __LINE__)

void check(bool holds, char const* condition, char const* file, int line);
void checkMessage(char const* part, char const* file, int line);  // of the last message logged

using Cases = std::map<std::string, void (*)(LoadedLibrary const&)>;
Cases creatorCases();
Cases layerCases();

#define CASE(name) {#name, name}

#endif  // CSAKIT_TESTS_CHECKS_H_
