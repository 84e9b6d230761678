/* xml: small things about XML that expat leaves to its user.
 * Not here: parsing (expat, metadata.c).
 * XML 1.0 §2.4, Namespaces in XML 1.0 §3. */
#ifndef SIPREC_XML_H
#define SIPREC_XML_H

#include "base/arena.h"

/* "tns:group" gives "tns" and "group"; without a prefix it is empty. */
void siprec_xml_split(struct view qualified, struct view *prefix, struct view *local);

/* The value of the first of these names that is there, prefixes and case ignored; trimmed.
 * attributes: name and value by turns, NULL at the end. */
struct view siprec_xml_attribute(const char **attributes, const char *const names[], size_t count);

/* A copy in the arena with each bare "&" and each "<" in front of a sip:, sips: or tel: URI
 * escaped; VIEW_NONE when there is none of either, or the arena is full. */
struct view siprec_xml_repair(struct view xml, struct arena *arena);

#endif
