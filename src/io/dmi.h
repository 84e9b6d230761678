/* dmi: what the firmware says about the machine it runs on: who made it, what it is.
 * Not here: which cloud that is (siprecd/clouds.h).
 * RFC: none (SMBIOS, /sys/class/dmi/id). */
#ifndef IO_DMI_H
#define IO_DMI_H

#include "base/view.h"

enum { IO_DMI_TEXT_SIZE = 96 };

struct io_dmi {
    char sys_vendor[IO_DMI_TEXT_SIZE];
    char product_name[IO_DMI_TEXT_SIZE];
    char product_version[IO_DMI_TEXT_SIZE];
    char bios_vendor[IO_DMI_TEXT_SIZE];
    char bios_version[IO_DMI_TEXT_SIZE];
    char board_vendor[IO_DMI_TEXT_SIZE];
    char chassis_asset_tag[IO_DMI_TEXT_SIZE];
};

/* What anybody may read; "" where there is nothing (machines without SMBIOS, containers). */
void io_dmi_read(struct io_dmi *out);

#endif
