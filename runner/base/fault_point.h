// SPDX-License-Identifier: Apache-2.0
/* Named points at which a test lets a fault happen: FP("launch.asked").
 *
 * Where FIREFLY_FAULTS is not defined they are nothing. Otherwise the hook is called with the
 * name, and may end, stop or delay the process, or note that the point was passed. The hook
 * that programs begin with obeys the environment, see fault_point.c.
 */
#ifndef FF_BASE_FAULT_POINT_H
#define FF_BASE_FAULT_POINT_H

typedef void fault_point_fn(const char *name, void *arg);

/* Called at every point, on the thread that passes it; NULL: the environment's again. */
void fault_point_hook(fault_point_fn *hook, void *arg);

void fault_point(const char *name);

#ifdef FIREFLY_FAULTS
#define FP(name) fault_point(name)
#else
#define FP(name) ((void)0)
#endif

#endif
