/* types: what each payload type of one stream means just now, looked up once and kept.
 * Not here: where that is written (scene.h).
 * RFC 3551 §6. */
#include "render/types.h"

#include <string.h>

const struct render_codec *render_types_find(struct render_types *types,
                                             const struct render_scene *scene,
                                             struct journal_reader *reader, uint32_t interface,
                                             uint8_t payload_type)
{
    if (!types->set || types->scene != scene || types->interface != interface) {
        const struct journal_interface *description = journal_reader_interface(reader, interface);
        types->set = true;
        types->scene = scene;
        types->interface = interface;
        types->line = description ? render_scene_line(scene, description) : NULL;
        memset(types->known, 0, sizeof types->known);
    }
    payload_type &= 127;
    if (!types->known[payload_type]) {
        render_line_codec(types->line, payload_type, &types->codecs[payload_type]);
        types->known[payload_type] = true;
    }
    return &types->codecs[payload_type];
}
