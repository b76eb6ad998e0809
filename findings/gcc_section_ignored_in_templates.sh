#!/usr/bin/env bash
# GCC 12.2: a static variable inside of a function template is not put into the section that its attribute names, and
# there is no word of it, also with -Wall -Wextra. The same declaration in an ordinary function is obeyed, and in an
# inline function it is an error. A template's statics are emitted in a group of their own (COMDAT), of which the linker
# keeps one, and the name of the section is dropped on the way.
#
# Who meets it: registries of records in a section of their own (between __start_NAME and __stop_NAME), whose entries in
# templates are then missing; here it was the shared memory of CUDA kernels run on the host, which was to be filled with
# NaN between these two, and half of the arrays were not.
#
# What helps: no section; a call behind each declaration, which notes the address. FRRouting met the same (its xref.c), and
# reports that Clang obeys the attribute.
#
# Run: bash findings/gcc_section_ignored_in_templates.sh. It needs g++ and downloads nothing. Exit code 0: as seen.
#
# Seen:
#   in the section: of a function yes, of a template no
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > seen.cpp <<'CPP'
#include <cstdio>
#define IN_SECTION __attribute__((section("mine")))
extern "C" char __start_mine[], __stop_mine[];

static int* of_function() {
  IN_SECTION static int variable;
  return &variable;
}

template <class T>
T* of_template() {
  IN_SECTION static T variable;
  return &variable;
}

static const char* is_in(const void* address) {
  return (const char*)address >= __start_mine && (const char*)address < __stop_mine ? "yes" : "no";
}

int main() {
  std::printf("of a function %s, of a template %s\n", is_in(of_function()), is_in(of_template<int>()));
}
CPP
g++ --version | head -1
g++ -Wall -Wextra -Werror seen.cpp -o seen
found=$(./seen)
echo "in the section: $found"
if [ "$found" = "of a function yes, of a template no" ]; then
  echo "as seen before"
else
  echo "g++ behaves otherwise now" >&2
  exit 1
fi
