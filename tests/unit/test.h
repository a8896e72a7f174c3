// SPDX-License-Identifier: Apache-2.0
/* cmocka with the headers it wants before itself. */
#ifndef FF_TESTS_UNIT_TEST_H
#define FF_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
