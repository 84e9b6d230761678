"""miniupnpd answers the gateway engine: PCP and NAT-PMP, mapped, used, renewed, deleted, taken by another, lost by a
restart, and the gateway that is itself behind a NAT. In network namespaces. Use: test_miniupnpd.py GATEWAY_DRIVER."""
import pathlib
import sys
import tempfile

import lab

PUBLIC, OUTSIDE = "5.5.5.1", "5.5.5.2"  # miniupnpd forwards nothing from behind an address of RFC 6890
PRIVATE, PRIVATE_OUTSIDE = "10.9.8.1", "10.9.8.2"
PORT = 20000
number = failed = 0


def check(good, what, got=""):
    global number, failed
    number += 1
    failed += not good
    print("ok" if good else "not ok", number, "-", what, flush=True)
    if not good:
        print("# got:", got)


def check_line(driver, want, what, *starts, seconds=60):
    got = driver.wait(*(starts or (want.split()[0],)), seconds=seconds)
    check(got == want, what, got)


def check_way_in(world, driver, port, what, external=None):
    world.send_from_outside(external or port, what.replace(" ", "-"))
    check_line(driver, f"data {port} {world.outside_address} {what.replace(' ', '-')}", what)


def check_no_way_in(world, driver, port, what):
    world.send_from_outside(port, "late")
    check(driver.wait("data", seconds=0.5) == "", what)


def status(driver):
    driver.tell("status")
    return driver.wait("status")


def play_life(world, program, *options):
    """The life of one mapping; options make it NAT-PMP's."""
    name = "NAT-PMP" if options else "PCP"
    world.start("min_lifetime=4", "max_lifetime=10")
    driver = lab.Driver(program, world, *options)
    check_no_way_in(world, driver, PORT, f"{name}: nothing comes in before")
    driver.tell(f"map {PORT}")
    check_line(driver, f"mapped {PORT} {PUBLIC}:{PORT} ok", f"{name}: mapped, the external address with it")
    check(status(driver) == f"status {name.lower()} {PUBLIC} 1/1", f"{name}: found out which it speaks")
    check_way_in(world, driver, PORT, f"{name}: what comes from outside arrives")
    if not options:
        # Ten seconds are granted, not the two hours asked for: it has to be renewed twice to live for 14.
        check(driver.wait("lost", "refused", "restarted", seconds=14) == "", "PCP: renewed without a word")
        check_way_in(world, driver, PORT, "PCP: still open after the first lifetime")
    driver.tell(f"unmap {PORT}")
    for _ in range(20):
        last = status(driver)
        if last.endswith("0/0"):
            break
        driver.wait("none", seconds=0.1)
    check(last.endswith("0/0"), f"{name}: deleted", last)
    check_no_way_in(world, driver, PORT, f"{name}: closed after that")
    driver.stop()
    world.stop_daemon()


def play_taken(world, program, *options):
    """Another host holds the port: we get a different one, and it works."""
    name = "NAT-PMP" if options else "PCP"
    world.start("min_lifetime=4", "max_lifetime=100")
    other = lab.Driver(program, world, own=lab.OTHER_HOST)
    other.tell(f"map {PORT}")
    check_line(other, f"mapped {PORT} {PUBLIC}:{PORT} ok", f"{name}: the other host is first")
    ours = lab.Driver(program, world, *options)
    ours.tell(f"map {PORT}")
    got = ours.wait("mapped", "refused").split()
    external = got[2].rpartition(":") if len(got) == 4 else ("", "", "0")
    check(got[:1] == ["mapped"] and external[0] == PUBLIC and external[2] != str(PORT),
          f"{name}: the port is taken, another is given", got)
    check_way_in(world, ours, PORT, f"{name}: the other port leads to ours", int(external[2]))
    ours.stop()
    other.stop()
    world.stop_daemon()


def play_restart(world, program):
    """The gateway forgets: its epoch says so, and what it had is asked for again."""
    world.start("min_lifetime=4", "max_lifetime=10")
    driver = lab.Driver(program, world)
    driver.tell(f"map {PORT}")
    check_line(driver, f"mapped {PORT} {PUBLIC}:{PORT} ok", "restart: mapped")
    driver.wait("none", seconds=4)  # its epoch has to be more than a second old to be seen to go back
    world.stop_daemon()
    world.start("min_lifetime=4", "max_lifetime=10")
    check(driver.wait("restarted", seconds=60).startswith("restarted"), "restart: seen by its epoch")
    for _ in range(50):
        world.send_from_outside(PORT, "again")
        line = driver.wait("data", seconds=0.2)
        if line:
            break
    check(line == f"data {PORT} {OUTSIDE} again", "restart: the same port leads to us again", line)
    # Now somebody else is quicker after a restart: our next request is given another port, and that is told.
    driver.wait("none", seconds=4)
    driver.tell("deaf")
    world.stop_daemon()
    world.start("min_lifetime=4", "max_lifetime=100")
    other = lab.Driver(program, world, own=lab.OTHER_HOST)
    other.tell(f"map {PORT}")
    check_line(other, f"mapped {PORT} {PUBLIC}:{PORT} ok", "restart: another host takes the port")
    driver.tell("hear")
    line = driver.wait("mapped", seconds=60)
    check(line.startswith(f"mapped {PORT} {PUBLIC}:") and not line.startswith(f"mapped {PORT} {PUBLIC}:{PORT} "),
          "restart: our port outside has changed, and the owner is told", line)
    other.stop()
    driver.stop()
    world.stop_daemon()


def play_silence(world, program):
    """Nobody answers, then somebody does."""
    driver = lab.Driver(program, world, "no-pcp")
    driver.tell(f"map {PORT}")
    check(driver.wait("mapped", "refused", "silent", seconds=2) == "", "silence: nothing is claimed")
    world.start()
    driver.tell("retry")
    check_line(driver, f"mapped {PORT} {PUBLIC}:{PORT} ok", "silence: mapped once a gateway answers")
    driver.stop()
    world.stop_daemon()


def play_double(world, program, *options):
    """A gateway behind another NAT says that it has no way in."""
    name = "NAT-PMP" if options else "PCP"
    world.start()
    driver = lab.Driver(program, world, *options)
    driver.tell(f"map {PORT}")
    line = driver.wait("mapped", "refused")
    # It answers with NETWORK_FAILURE or the like; were it to give a mapping, its address would be the private one.
    private = status(driver).split()[2] in (PRIVATE, "-", "")
    check(line.startswith(f"refused {PORT} ") or line.startswith(f"mapped {PORT} {PRIVATE}:"),
          f"{name}: behind another NAT no public mapping is claimed", line)
    check(private, f"{name}: nor a public address")
    print(f"# {name}: {line}")
    driver.stop()
    world.stop_daemon()


def main():
    lab.enter()
    program = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="siprecd-miniupnpd-") as name:
        folder = pathlib.Path(name)
        world = lab.Lab(folder, PUBLIC, OUTSIDE)
        try:
            for options in ((), ("no-pcp",)):
                play_life(world, program, *options)
                play_taken(world, program, *options)
            play_restart(world, program)
            play_silence(world, program)
        finally:
            world.stop()
        world = lab.Lab(folder, PRIVATE, PRIVATE_OUTSIDE)
        try:
            play_double(world, program)
            play_double(world, program, "no-pcp")
        finally:
            world.stop()
    print(f"1..{number}")
    sys.exit(bool(failed))


main()
