#!/usr/bin/env python3
"""Every vendor dialect of siprec-call is answered as RFC 3264 and 7866 want it, recorded, and its streams tied to the
right people where the metadata allows it; what is wrong with a message stands as a warning on its recording."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, built, near, need, run, siprec_call, tone_hz  # noqa: E402

need("sox")
tap = Tap()
A, B = "2025550101", "2025550102"

# dialect: how channels are tied to people ("label", "order", "mixed", "none"; None: more than one way is right), and
# what must be warned of. Where the metadata ties a label to a stream and a stream to whoever sends it, anything but
# "label" is a fault.
WANT = {
    "abc-sbc": ("order", {"body-not-closed", "label-unmatched"}), "audiocodes": ("label", {"metadata-namespace"}),
    "audiocodes-lf": ("none", {"sdp-label-missing"}), "avaya": ("label", set()), "avaya-ringing": ("label", set()),
    "broadworks": ("label", {"metadata-namespace"}),
    "broadworks-mixed": ("mixed", {"metadata-namespace", "label-unmatched"}), "cisco-100rel": ("label", set()),
    "cisco-bib": ("none", {"metadata-missing"}), "cisco-cube": ("label", set()),
    "cisco-gtd": ("label", {"body-not-closed", "body-part-ignored"}),
    "cisco-nbr": ("none", {"sdp-label-missing", "metadata-missing"}), "compact": ("label", set()),
    "connectel": (None, set()), "drachtio": (None, {"sdp-label-missing", "body-not-closed"}),
    "freeswitch": ("label", set()), "generic": ("label", set()),
    "genesys": (None, {"metadata-broken", "metadata-namespace"}), "google": (None, {"metadata-leading-blank"}),
    "jambonz": ("label", set()), "metaswitch": ("mixed", {"metadata-namespace"}), "mixed": ("mixed", set()),
    "netsapiens": ("label", set()), "ng911": ("label", set()), "offerless": ("label", set()),
    "opensips": ("label", set()), "opensips-bare": (None, set()), "oracle": ("label", {"metadata-namespace"}),
    "plain": ("none", {"metadata-missing"}), "sems": ("label", set()),
    "sonus": ("label", {"body-not-closed", "metadata-namespace"}), "telnyx": (None, set()), "video": ("label", set()),
    "webex": ("label", {"metadata-namespace"}),
}


def dialect(srs, name, transport):
    status, report = siprec_call(srs.uri, "--profile", name, "--seconds", "1", "--strict", "--transport", transport)
    call = report["results"][0]
    title = f"{name} over {transport}"
    tap.equal((status, call["notes"]), (0, []), f"{title}: answered without fault", call, srs.log()[-1500:])
    recording = srs.recording(call["call_id"])
    if not tap.ok(recording and recording["state"] == "finished", f"{title}: recorded", recording):
        return
    document = srs.document(recording)
    derived, warnings = WANT[name]
    got = {w["code"] for w in document["warnings"]}
    tap.ok(warnings <= got, f"{title}: its oddities are warned of", document["warnings"])
    if derived == "label":
        tap.equal({c["derived"] for c in document["channels"]}, {"label"}, f"{title}: channels by label",
                  document["channels"])
        people = {p["id"]: p["aor"] for p in document["participants"]}
        order = [people[c["participant"]] for c in document["channels"]]
        tap.ok(A in order[0] and (len(order) < 2 or B in order[1]), f"{title}: the right person on each channel", order)
    elif derived:
        tap.equal({c["derived"] for c in document["channels"]}, {derived}, f"{title}: channels {derived}",
                  document["channels"])
    wav = srs.path_of(recording) / "audio.wav"
    heard = [tone_hz(wav, channel) for channel in range(1, len(document["channels"]) + 1)]
    heard = [h for h in heard if h]
    want = [440, 660][:len(call["streams"])]
    tap.ok(len(heard) == len(want) and all(map(near, heard, want)), f"{title}: the right tone on each channel", heard)
    sent = [s["packets"] for s in call["streams"]]
    tap.equal([s["packets"] for s in document["streams"] if s["packets"]], sent, f"{title}: all packets")


names = [line.split()[0] for line in run(built("siprec-call"), "--list").stdout.split("scripts:")[0].splitlines()[1:]]
tap.equal(sorted(names), sorted(WANT), "every dialect is judged")
with Siprecd() as srs:
    tap.together(*[lambda n=n, t=t: dialect(srs, n, t) for n in sorted(WANT) for t in ("udp", "tcp")], at_once=8)
tap.done()
