/* dmi: what the firmware says about the machine it runs on: who made it, what it is.
 * Not here: which cloud that is (siprecd/clouds.h).
 * RFC: none (SMBIOS, /sys/class/dmi/id). */
#include "io/dmi.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void dmi_read(const char *name, char out[IO_DMI_TEXT_SIZE])
{
    char path[64];
    char text[IO_DMI_TEXT_SIZE];
    ssize_t got = 0;
    int fd;
    snprintf(path, sizeof path, "/sys/class/dmi/id/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        got = read(fd, text, sizeof text);
        close(fd);
    }
    (void)view_copy(view_trim(view_of(text, got > 0 ? (size_t)got : 0)), out, IO_DMI_TEXT_SIZE);
}

void io_dmi_read(struct io_dmi *out)
{
    dmi_read("sys_vendor", out->sys_vendor);
    dmi_read("product_name", out->product_name);
    dmi_read("product_version", out->product_version);
    dmi_read("bios_vendor", out->bios_vendor);
    dmi_read("bios_version", out->bios_version);
    dmi_read("board_vendor", out->board_vendor);
    dmi_read("chassis_asset_tag", out->chassis_asset_tag);
}
