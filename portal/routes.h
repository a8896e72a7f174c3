// SPDX-License-Identifier: Apache-2.0
/* The whole site as one table. */
#ifndef FF_PORTAL_ROUTES_H
#define FF_PORTAL_ROUTES_H

#include <stddef.h>

#include "portal/router.h"

extern const struct route routes[];
extern const size_t routes_count;

#endif
