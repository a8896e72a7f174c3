// SPDX-License-Identifier: Apache-2.0
/* A fuzz target: one function that takes any bytes and must neither crash, leak nor break an
 * invariant.
 *
 * Built twice: with clang's libFuzzer (cmake -DFIREFLY_FUZZ=ON, CC=clang) for long runs, and
 * with replay.c into the ordinary tests, which feeds it its corpus and some thousand seeded
 * mutations.
 */
#ifndef FF_TESTS_FUZZ_FUZZ_H
#define FF_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
