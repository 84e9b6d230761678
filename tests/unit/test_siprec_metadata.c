/* Tests of siprec/metadata: RFC 7865's elements, the dialects, and XML meant to hurt. */
#include "siprec/metadata.h"

#include "base/limits.h"
#include "base/writer.h"
#include "tap.h"

static struct siprec_metadata m;
static struct siprec_warnings warnings;
static struct arena *arena;

static void parse_view(struct view xml)
{
    memset(&warnings, 0, sizeof warnings);
    arena_reset(arena);
    siprec_metadata_parse(&m, xml, arena, &warnings);
}

static void parse(const char *xml)
{
    parse_view(view_of_string(xml));
}

#define NS      "urn:ietf:params:xml:ns:recording:1"
#define ROOT(x) "<recording xmlns='" NS "'>" x "</recording>"

/* After RFC 7865 §8.1. */
static const char standard[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" ROOT(
    "<datamode>complete</datamode>"
    "<group "
    "group_id=\"7+OTCyoxTmqmqyA/1weDAg==\"><associate-time>2010-12-16T23:41:07Z</associate-time>"
    "<call-center "
    "xmlns='urn:ietf:params:xml:ns:callcenter'><supervisor>sip:alice@example.com</supervisor>"
    "</call-center></group>"
    "<session "
    "session_id=\"hVpd7YQgRW2nD22h7q60JQ==\"><sipSessionID>ab30317f1a784dc48ff824d0d3715d86;\n"
    "   remote=47755a9de7794ba387653f2099600ef2</sipSessionID><reason cause=\"200\" "
    "protocol=\"SIP\">done</reason>"
    "<group-ref>7+OTCyoxTmqmqyA/1weDAg==</group-ref><start-time>2010-12-16T23:41:07Z</start-time></"
    "session>"
    "<participant participant_id=\"srfBElmCRp2QB23b7Mpk0w==\"><nameID aor=\"sip:bob@example.com\">"
    "<name xml:lang=\"it\">Bob B</name></nameID><nameID aor=\"tel:+1\"/></participant>"
    "<stream stream_id=\"UAAMm5GRQKSCMVvLyl4rFw==\" session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">"
    "<label>96</label></stream>"
    "<sessionrecordingassoc "
    "session_id=\"hVpd7YQgRW2nD22h7q60JQ==\"><associate-time>T1</associate-time>"
    "</sessionrecordingassoc>"
    "<participantsessionassoc participant_id=\"srfBElmCRp2QB23b7Mpk0w==\" "
    "session_id=\"hVpd7YQgRW2nD22h7q60JQ==\"><associate-time>T2</associate-time>"
    "<disassociate-time>T3</disassociate-time></participantsessionassoc>"
    "<participantstreamassoc participant_id=\"srfBElmCRp2QB23b7Mpk0w==\">"
    "<send>UAAMm5GRQKSCMVvLyl4rFw==</send><recv> 8zc6e0lYTlWIINA6GR+3ag== </recv>"
    "<associate-time>T4</associate-time></participantstreamassoc>");

static void test_standard_document(void)
{
    parse(standard);
    CHECK(m.well_formed && m.mode == SIPREC_COMPLETE && m.mode_given && !m.is_request);
    CHECK_VIEW(m.root, "recording");
    CHECK_VIEW(m.root_namespace, NS);
    CHECK_INT(warnings.set, 0);
    if (!CHECK(m.groups && m.sessions && m.participants && m.streams))
        return;
    CHECK_VIEW(m.groups->id, "7+OTCyoxTmqmqyA/1weDAg==");
    CHECK_VIEW(m.groups->associated, "2010-12-16T23:41:07Z");
    CHECK_VIEW(m.groups->extensions->key, "call-center.supervisor");
    CHECK_VIEW(m.groups->extensions->text, "sip:alice@example.com");
    CHECK_VIEW(m.sessions->sip_session_ids->text,
               "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2");
    CHECK_VIEW(m.sessions->reasons->text, "done");
    CHECK_VIEW(m.sessions->reasons->cause, "200");
    CHECK_VIEW(m.sessions->group_id, "7+OTCyoxTmqmqyA/1weDAg==");
    CHECK_VIEW(m.sessions->started, "2010-12-16T23:41:07Z");
    CHECK_VIEW(m.sessions->associated, "T1");
    const struct siprec_participant *p = m.participants;
    CHECK(p->declared && p->flows_stated && !p->next);
    CHECK_VIEW(p->names->aor, "sip:bob@example.com");
    CHECK_VIEW(p->names->name, "Bob B");
    CHECK_VIEW(p->names->language, "it");
    CHECK_VIEW(p->names->next->aor, "tel:+1");
    CHECK_INT(p->names->next->name.len, 0);
    CHECK_VIEW(p->memberships->associated, "T2");
    CHECK_VIEW(p->memberships->disassociated, "T3");
    CHECK(p->flows->sends && !p->flows->next->sends);
    CHECK_VIEW(p->flows->stream_id, "UAAMm5GRQKSCMVvLyl4rFw==");
    CHECK_VIEW(p->flows->next->stream_id, "8zc6e0lYTlWIINA6GR+3ag==");
    CHECK_VIEW(p->flows->next->associated, "T4");
    CHECK_VIEW(m.streams->label, "96");
    CHECK_VIEW(m.streams->session_id, "hVpd7YQgRW2nD22h7q60JQ==");
}

/* The first drafts: id and session attributes, send inside the participant. */
static void test_draft_attributes(void)
{
    parse(
        "<recording xmlns='urn:ietf:params:xml:ns:recording' id='r'><datamode>complete</datamode>"
        "<session id='s1'><associate-time>2020-01-01T00:00:00</associate-time></session>"
        "<participant id='p1' session='s1'><nameID "
        "aor='100'><name>A</name></nameID><send>st1</send><recv>st2</recv>"
        "<associate-time>T</associate-time></participant>"
        "<stream id='st1' session='s1'><label>1</label><mode>separate</mode></stream></recording>");
    CHECK(m.well_formed);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_NAMESPACE));
    CHECK_VIEW(m.sessions->associated, "2020-01-01T00:00:00");
    CHECK_VIEW(m.participants->memberships->session_id, "s1");
    CHECK_VIEW(m.participants->memberships->associated, "T");
    CHECK(m.participants->flows->sends);
    CHECK_VIEW(m.participants->flows->stream_id, "st1");
    CHECK_VIEW(m.streams->mode, "separate");
}

/* BroadWorks and Webex: another root, another namespace, <aor> and <send><id>. */
static void test_recording_metadata_dialect(void)
{
    parse("<recording_metadata xmlns=\"urn:ietf:params:xml:ns:siprec\"><dataMode>partial</dataMode>"
          "<recording id=\"urn:uuid:1\"><requestor>SRC</requestor></recording>"
          "<group id=\"urn:uuid:g\" recording=\"urn:uuid:1\"><initiator>sip:a@b</initiator></group>"
          "<session id=\"urn:uuid:s\" group=\"urn:uuid:g\"><start-time>T</start-time></session>"
          "<participant id=\"urn:uuid:p\" session=\"urn:uuid:s\"><aor>sip:a@b</aor>"
          "<send><id>urn:uuid:m</id></send></participant>"
          "<stream id=\"urn:uuid:m\" "
          "session=\"urn:uuid:s\"><label>1</label><mode>mixed</mode></stream>"
          "<extensiondata id=\"x\" parent=\"urn:uuid:s\"><bw xmlns=\"http://example.com\" "
          "version=\"3\"><call><to>7</to>"
          "</call></bw></extensiondata></recording_metadata>");
    CHECK(m.well_formed && m.mode == SIPREC_PARTIAL && m.mode_given);
    CHECK_VIEW(m.root, "recording_metadata");
    CHECK_VIEW(m.sessions->group_id, "urn:uuid:g");
    CHECK_VIEW(m.participants->names->aor, "sip:a@b");
    CHECK_VIEW(m.participants->flows->stream_id, "urn:uuid:m");
    CHECK_VIEW(m.streams->mode, "mixed");
    CHECK_VIEW(m.groups->extensions->key, "initiator");
    CHECK_VIEW(m.extensions->key, "bw@version");
    CHECK_VIEW(m.extensions->next->key, "bw.call.to");
    CHECK_VIEW(m.extensions->next->text, "7");
}

static void test_prefixes(void)
{
    parse("<tns:recording "
          "xmlns:tns='urn:ietf:params:xml:ns:recording'><tns:datamode>complete</tns:datamode>"
          "<tns:group group_id='g'><d xmlns='urn:x'><session>not ours</session></d></tns:group>"
          "<tns:stream stream_id='a'><tns:label> 1 </tns:label></tns:stream>"
          "<participant participant_id='of nobody'/></tns:recording>");
    CHECK(m.well_formed && m.mode_given);
    CHECK_INT(m.session_elements, 0);
    CHECK_INT(m.participant_elements, 0); /* no namespace is another than the root's */
    CHECK_VIEW(m.streams->label, "1");
    CHECK_VIEW(m.groups->extensions->key, "d.session");
    /* A prefix that nobody declared is no reason to stop. */
    parse(
        ROOT("<session session_id='s'><apkt:ucid>77</apkt:ucid></session><stream stream_id='x'/>"));
    CHECK(m.well_formed);
    CHECK_VIEW(m.sessions->extensions->key, "apkt:ucid");
    CHECK_INT(m.stream_elements, 1);
    /* The default namespace comes back when the element that changed it ends. */
    parse(ROOT("<e xmlns='urn:x'><f/></e><session session_id='s'/>"));
    CHECK_INT(m.session_elements, 1);
}

static void test_extension_data(void)
{
    parse(ROOT(
        "<extensiondata><jb:callsid "
        "xmlns:jb='http://example.com'>c&amp;1</jb:callsid></extensiondata>"
        "<participant participant_id='p'><nameID aor='a'/><extensiondata "
        "xmlns:apkt='http://example.com'>"
        "<apkt:callingParty>true</apkt:callingParty><apkt:header "
        "label='Call-ID'><value>x@y</value></apkt:header>"
        "<apkt:empty/><apkt:uri><![CDATA[<sip:a@b>]]></apkt:uri></extensiondata></participant>"));
    CHECK(m.well_formed);
    CHECK_VIEW(m.extensions->key, "jb:callsid");
    CHECK_VIEW(m.extensions->text, "c&1");
    const struct siprec_value *v = m.participants->extensions;
    CHECK_VIEW(v->key, "apkt:callingParty");
    CHECK_VIEW(v->next->key, "apkt:header@label");
    CHECK_VIEW(v->next->next->key, "apkt:header.value");
    CHECK_VIEW(v->next->next->text, "x@y");
    CHECK_VIEW(v->next->next->next->key, "apkt:uri");
    CHECK_VIEW(v->next->next->next->text, "<sip:a@b>");
    CHECK(!v->next->next->next->next);
}

static void test_modes(void)
{
    parse(ROOT("<datamode> Partial </datamode>"));
    CHECK(m.mode == SIPREC_PARTIAL && m.mode_given);
    parse("<recording xmlns='" NS "' dataMode='partial'><session session_id='s'/></recording>");
    CHECK(m.mode == SIPREC_PARTIAL && m.mode_given);
    parse(ROOT("<session session_id='s'/>"));
    CHECK(m.mode == SIPREC_COMPLETE && !m.mode_given);
}

static void test_broken_keeps_what_came_before(void)
{
    parse(ROOT("<session session_id='s'><start-time>T</start-time></session><participant "
               "participant_id='p'>"
               "<nameID aor='a'><naSRCme>x</name></nameID></participant><stream stream_id='z'/>"));
    CHECK(!m.well_formed);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_BROKEN));
    CHECK_INT(m.error_line, 1);
    CHECK_VIEW(m.sessions->started, "T");
    CHECK_VIEW(m.participants->names->aor, "a");
    CHECK_INT(m.stream_elements, 0);
    parse("<recording xmlns='" NS "'><session session_id='s'/>"); /* cut off */
    CHECK(!m.well_formed && m.session_elements == 1);
    parse("");
    CHECK(!m.well_formed);
    parse("not xml");
    CHECK(!m.well_formed && !m.sessions);
    parse(ROOT("<session session_id='s'/>") "rubbish");
    CHECK(!m.well_formed && m.session_elements == 1);
}

/* Seen behind an Oracle SBC, and in every directory with an AT&T in it. */
static void test_common_mistakes_are_mended(void)
{
    parse(ROOT("<session session_id='s'/><participant participant_id='p'><nameID "
               "aor='sip:a@b'><name>A & B &amp; C&#68;"
               "</name></nameID><x:uri><sip:a=1_2@192.0.2.1;x=\"y\"></x:uri></participant>"
               "<stream stream_id='z'><label>1</label></stream>"));
    CHECK(!m.well_formed && m.repaired && m.error_line == 1);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_BROKEN));
    CHECK_VIEW(m.participants->names->name, "A & B & CD");
    CHECK_VIEW(m.participants->extensions->text, "<sip:a=1_2@192.0.2.1;x=\"y\">");
    CHECK_INT(m.participant_elements, 1);
    CHECK_VIEW(m.streams->label, "1");
    /* Mended in one place, broken in another: what came before the first error, as ever. */
    parse(ROOT("<session session_id='s'/><session session_id='A & B'/><session session_id='t'>"));
    CHECK(!m.well_formed && !m.repaired && m.session_elements == 1);
    parse(ROOT("<session session_id='a &lt; b'/><session session_id='t'>"));
    CHECK(!m.well_formed && !m.repaired && m.session_elements == 2);
}

static void test_leading_blank_and_bom(void)
{
    parse("\r\n\r\n<?xml version='1.0'?>" ROOT("<session session_id='s'/>") "\r\n\r\n");
    CHECK(m.well_formed && m.session_elements == 1);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_LEADING_BLANK));
    parse("\r\n" ROOT("<session session_id='s'/>"));
    CHECK(m.well_formed && warnings.set == 0);
    parse("\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>" ROOT("<session session_id='s'/>"));
    CHECK(m.well_formed && m.session_elements == 1);
}

static void test_encodings(void)
{
    parse("<?xml version='1.0' encoding='UTF-8'?>" ROOT(
        "<participant participant_id='p'><nameID aor='a'>"
        "<name>M\xfcller</name></nameID></participant>"));
    CHECK(m.well_formed && siprec_warned(&warnings, SIPREC_WARN_METADATA_ENCODING));
    CHECK_VIEW(m.participants->names->name, "M\xc3\xbcller");
    parse("<?xml version='1.0' encoding='ISO-8859-1'?>" ROOT(
        "<participant participant_id='p'><nameID aor='a'>"
        "<name>M\xfcller</name></nameID></participant>"));
    CHECK(m.well_formed && warnings.set == 0);
    CHECK_VIEW(m.participants->names->name, "M\xc3\xbcller");
    parse("<?xml version='1.0' encoding='windows-1252'?>" ROOT(
        "<participant participant_id='p'><nameID aor='a'>"
        "<name>M\xfcller</name></nameID></participant>"));
    CHECK(m.well_formed && siprec_warned(&warnings, SIPREC_WARN_METADATA_ENCODING));
    CHECK_VIEW(m.participants->names->name, "M\xc3\xbcller");
    char wide[] = "<\0r\0e\0c\0o\0r\0d\0i\0n\0g\0/\0>\0";
    parse_view(view_of(wide, sizeof wide - 1));
    CHECK_VIEW(m.root, "recording");
}

/* Nothing outside the document is read, and nothing in it grows. */
static void test_entities(void)
{
    parse("<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 "
          "'&lol;&lol;&lol;&lol;'>"
          "<!ENTITY lol3 '&lol2;&lol2;&lol2;&lol2;'>]>" ROOT(
              "<participant participant_id='&lol3;'/>"));
    CHECK(!m.well_formed && !m.participants);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_ENTITIES));
    parse("<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" ROOT(
        "<participant participant_id='p'><nameID aor='a'><name>&x;</name></nameID></participant>"));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_ENTITIES) && !m.participants);
    parse("<!DOCTYPE recording SYSTEM 'http://192.0.2.1/x.dtd'>" ROOT("<session session_id='s'/>"));
    CHECK(m.well_formed &&
          m.session_elements == 1); /* a DTD alone harms nobody, and is not fetched */
    parse(ROOT("<session session_id='s'/><participant participant_id='p'><nameID "
               "aor='&nope;'/></participant>"));
    CHECK(!m.well_formed && m.session_elements == 1);
}

/* piece again and again, with its number for each #. */
static struct view repeat(const char *before, const char *piece, int times, const char *after)
{
    static char text[14 * 1024 * 1024];
    struct writer w = writer_of(text, sizeof text);
    writer_string(&w, before);
    for (int i = 0; i < times; i++) {
        for (const char *c = piece; *c; c++) {
            if (*c == '#')
                writer_printf(&w, "%d", i);
            else
                writer_u8(&w, (uint8_t)*c);
        }
    }
    writer_string(&w, after);
    CHECK(!w.failed);
    return writer_done(&w);
}

static void test_limits(void)
{
    const char *open = "<recording xmlns='" NS "'>";
    parse_view(repeat(open, "<a>", 100000, ""));
    CHECK(!m.well_formed && siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT));
    parse_view(repeat(open, "<session session_id='s#'/>", 25000, "</recording>"));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT));
    CHECK(m.session_elements >= LIMIT_METADATA_LIST);
    parse_view(repeat(open, "<session session_id='s'/>", 25000, "</recording>"));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT));
    /* 10 MB: refused before it is looked at. */
    parse_view(repeat(open, "<participant participant_id='#'><nameID aor='sip:x'/></participant>",
                      170000, "</recording>"));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT) && !m.participants);
    /* One long text is cut, and reading goes on. */
    parse_view(repeat("<recording xmlns='" NS "'><session session_id='s'><start-time>", "\xc3\xbc#",
                      2000, "</start-time></session><stream stream_id='z'/></recording>"));
    CHECK(m.well_formed && siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT));
    CHECK_INT(m.stream_elements, 1);
    CHECK(m.sessions->started.len <= 4096 && m.sessions->started.len > 4000);
    /* Prefixes without end. */
    parse_view(repeat("<recording xmlns='" NS "' ", "xmlns:p#='u' ", 1000, "/>"));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT));
}

static void test_a_full_arena_stops_reading(void)
{
    struct arena *small = arena_create(16384, 16384);
    if (!CHECK(small))
        return;
    memset(&warnings, 0, sizeof warnings);
    siprec_metadata_parse(&m,
                          repeat("<recording xmlns='" NS "'>",
                                 "<stream stream_id='s#'><label>1</label></stream>", 900,
                                 "</recording>"),
                          small, &warnings);
    CHECK(!m.well_formed && siprec_warned(&warnings, SIPREC_WARN_METADATA_LIMIT));
    CHECK(m.streams && m.stream_elements < 900);
    arena_destroy(small);
}

static void test_other_documents(void)
{
    parse("<requestsnapshot xmlns='" NS
          "'><requestreason xml:lang='it'>SRS internal error</requestreason>"
          "</requestsnapshot>");
    CHECK(m.well_formed && m.is_request);
    parse("<rs-metadata xmlns='" NS "'><session session_id='s'/></rs-metadata>");
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_ROOT));
    CHECK_INT(m.session_elements, 1);
    parse("<recording><session session_id='s'/></recording>");
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_NAMESPACE));
    CHECK_INT(m.session_elements, 1);
    parse("<recording xmlns='" NS "'>completeSRCselective</recording>");
    CHECK(m.well_formed && siprec_warned(&warnings, SIPREC_WARN_METADATA_EMPTY));
}

static void test_repeated_and_missing_ids(void)
{
    parse(
        ROOT("<participant participant_id='p'><nameID aor='sip:1'/></participant>"
             "<participant participant_id='p'><nameID aor='sip:2'/></participant>"
             "<stream stream_id=''><label>10</label></stream><stream><label>20</label></stream>"));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_DUPLICATE_ID));
    CHECK_INT(m.participant_elements, 2);
    CHECK(m.participants && !m.participants->next);
    CHECK_VIEW(m.participants->names->next->aor, "sip:2");
    CHECK_VIEW(m.streams->label, "10");
    CHECK_VIEW(m.streams->next->label, "20");
}

int main(void)
{
    arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena)
        return EXIT_FAILURE;
    RUN(test_standard_document);
    RUN(test_draft_attributes);
    RUN(test_recording_metadata_dialect);
    RUN(test_prefixes);
    RUN(test_extension_data);
    RUN(test_modes);
    RUN(test_broken_keeps_what_came_before);
    RUN(test_common_mistakes_are_mended);
    RUN(test_leading_blank_and_bom);
    RUN(test_encodings);
    RUN(test_entities);
    RUN(test_limits);
    RUN(test_a_full_arena_stops_reading);
    RUN(test_other_documents);
    RUN(test_repeated_and_missing_ids);
    arena_destroy(arena);
    return tap_done();
}
