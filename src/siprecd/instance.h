/* instance: the name that this installation bears towards registrars, kept on disk.
 * Not here: what registrars do with it (sip/register.h).
 * RFC 5626 §4.1, RFC 9562 (UUID). */
#ifndef SIPRECD_INSTANCE_H
#define SIPRECD_INSTANCE_H

#include <stddef.h>

#include "base/view.h"

/* "urn:uuid:..." of directory's file .instance, which is made where there is none or it holds no
 * such name. False: it could not be kept, errno says why; the name is good for this run. */
bool instance_load(const char *directory, char *urn, size_t urn_size);

#endif
