/* ruleset_driver: what siprecctl makes of a ruleset on stdin: "dropped", "let in" or "unknown" for a
 * datagram FROM TO; with a third word TO has sent to FROM before.
 * Not here: checks (test_ruleset.py).
 * RFC: none. */
#include <stdio.h>

#include "tools/siprecctl/ruleset.h"

int main(int count, char **words)
{
    static const char *const answers[] = {
        [PATH_UNKNOWN] = "unknown", [PATH_YES] = "dropped", [PATH_NO] = "let in"};
    struct ctl_datagram datagram = {.is_known = count == 4};
    struct ctl_chain chain;
    json_t *ruleset = json_loadf(stdin, 0, NULL);
    if (count < 3 || count > 4 || !ruleset || !addr_parse(view_of_string(words[1]), 0, &datagram.from) ||
        !addr_parse(view_of_string(words[2]), 0, &datagram.to))
        return 2;
    puts(answers[ctl_ruleset_drops(ruleset, &datagram, &chain)]);
    json_decref(ruleset);
    return 0;
}
