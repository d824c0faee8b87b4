"""The other firewalls: ipset on iptables of both variants, and scripts; with real packets and the real tools."""

import os
import re
import time

import pytest
from lab import connect, stays, until
from lab.backend import Backend
from lab.house import House
from lab.network import v4, v6
from lab.programs import PLACES
from lab.user import DENIED, GRANTED
from test_firewall_backend import SSH, ECHO, answers, is_open, rest, serve
from test_guard import ways

C4, C6, S4, S6 = v4("client"), v6("client"), v4("server"), v6("server")
BOTH = pytest.mark.parametrize("server,client", [(S4, C4), (S6, C6)], ids=["v4", "v6"])
LOOK = 5  # seconds until a change by somebody else is noticed, with room
XTABLES = "/usr/sbin/xtables-nft-multi"


def instead(program):
    """A wrap by which iptables is another program."""
    return ["unshare", "-m", "sh", "-c", f'mount --bind {program} {XTABLES} && exec "$@"', "sh"]


VARIANTS = {"nft": [], "legacy": instead("/usr/sbin/xtables-legacy-multi")}


@pytest.fixture
def hosts(lab):
    serve(lab.server)
    lab.echo = connect.UdpEcho(lab.server, ECHO)
    return lab


def on_ipset(lab, **more):
    return Backend(lab.server, env={**os.environ, "FIREWALL": "ipset"}, **more)


@pytest.fixture
def scene(hosts):
    with on_ipset(hosts) as hosts.backend:
        yield hosts


def tables(host, variant):
    """All that iptables has of ours, and the sets."""
    saved = "".join(host.run(*VARIANTS[variant], tool).stdout for tool in ("iptables-save", "ip6tables-save"))
    return [line for line in saved.splitlines() if "postern" in line] + host.run("ipset", "list", "-n").stdout.split()


@pytest.mark.parametrize("variant", VARIANTS)
def test_doors_by_either_variant_and_nothing_left_behind(hosts, variant):
    with on_ipset(hosts, wrap=VARIANTS[variant]) as backend:
        hosts.backend = backend
        backend.ok("ensure")
        for server, client in ((S4, C4), (S6, C6)):
            assert answers(hosts, server) == ("silent", None)
            backend.ok("open", "ssh", client, 60)
            assert answers(hosts, server) == ("open", None)  # one port of one protocol
            backend.ok("open", "echo", client, 60)
            assert answers(hosts, server) == ("open", b"echo:?")
            assert answers(hosts, server, hosts.attacker) == ("silent", None)  # one address
        assert backend.do("read") == "ok there=1 trial=none 6.22 17.5353"
        backend.ok("remove")
        assert answers(hosts, S4, hosts.attacker) == ("open", b"echo:?")
        assert backend.do("read") == "ok there=0 trial=none"
    assert tables(hosts.server, variant) == []


@BOTH
def test_closed_is_what_a_closed_port_says(scene, server, client):
    scene.backend.configure(silence="closed")
    scene.backend.ok("ensure")
    assert answers(scene, server) == ("closed", "refused")
    scene.backend.ok("open", "ssh", client, 60)
    assert answers(scene, server) == ("open", "refused")


@BOTH
def test_closing_lets_connections_live_and_cutting_does_not(scene, server, client):
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", client, 60)
    with scene.client.socket(connect.family(server)) as s:
        s.settimeout(2)
        s.connect((server, SSH))
        scene.backend.ok("close", "ssh", client)
        assert scene.backend.do("close", "ssh", client) == "not-there"
        assert not is_open(scene, server)
        assert s.recv(10) == b"hello"
        assert scene.backend.do("cut", "ssh", client) == "ok 1"
        with pytest.raises(ConnectionResetError):
            s.recv(10)


@BOTH
def test_doors_end_in_time_when_we_are_dead(scene, server, client):
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", client, 60)
    begin = time.monotonic()
    scene.backend.ok("open", "ssh", client, 2)  # shorter, too
    opened = time.monotonic()
    scene.backend.die()
    before, after = connect.turns(scene.client, server, 10)
    assert before < opened + 2.1 and after > begin + 1.9


def test_networks_ranges_and_refusals(scene):
    scene.backend.configure([("ssh", 6, 22), ("many", 6, "80,8000-8003")])
    scene.backend.ok("ensure")
    inside = v4("client").rsplit(".", 1)[0] + ".0/24"
    scene.backend.ok("open", "ssh", inside, 60)
    assert is_open(scene, S4) and not is_open(scene, S6)
    scene.backend.ok("open", "many", C4, 60)
    assert sorted(port for _, _, port in scene.backend.doors()) == [22, 80, 8000, 8001, 8002, 8003]
    assert 50 < rest(scene.backend, "many", C4) <= 60
    for narrow in (",once", ",port=7777"):
        assert scene.backend.do("open", "ssh", C4 + narrow, 60) == "failed"
    scene.backend.configure([("many", 6, "80")])
    scene.backend.ok("ensure")  # what is configured no more is closed
    assert [port for _, _, port in scene.backend.doors()] == [80]
    scene.backend.ok("close", "many", C4)
    assert scene.backend.doors() == {}


def test_full_is_said(scene):
    scene.backend.ok("ensure")
    status, count = scene.backend.do("many", "ssh", 65600, 60).split()
    assert status == "full" and 65536 <= int(count) < 65600  # the kernel takes one more


def test_asking_for_each_of_many_is_not_reading_all_for_each(scene):
    scene.backend.ok("ensure")
    took = dict(word.split("=") for word in scene.backend.do("bench", "ssh", 5000).split())
    assert float(took["query"][:-2]) < 20 * float(took["open"][:-2]), took


@pytest.mark.parametrize("silence", ["drop", "closed"])
def test_no_way_round(scene, silence):
    """Broadcast, multicast, fragments, extension headers, VLAN 0."""
    scene.backend.configure(silence=silence)
    scene.backend.ok("ensure")
    control = connect.UdpEcho(scene.server, 5354)
    for expected, ((name, frame, packets), (_, _, same)) in enumerate(zip(ways(ECHO), ways(5354)), 1):
        for packet in [*packets, *same]:
            scene.client.inject("eth0", frame(scene, packet))
        until(lambda: control.heard() == expected, 10, f"the control by {name}")
        assert scene.echo.heard() == 0, f"the guarded port heard it by {name}"


TOUCHES = {
    "rule": ("iptables", "-t", "mangle", "-D", "postern-port", "4"),
    "jump": ("ip6tables", "-t", "mangle", "-F", "PREROUTING"),
    "ports": ("ipset", "flush", "postern-tcp"),
    "rank": ("iptables", "-t", "mangle", "-I", "PREROUTING", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"),
}


def test_what_somebody_took_away_is_noticed_and_put_back(scene):
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", C4, 60)
    for touch in TOUCHES.values():
        scene.server.run(*touch)
        until(lambda: scene.backend.do("changed") == "yes", LOOK, f"notice of {touch}")
        scene.backend.ok("ensure")
        for server in (S4, S6):
            assert answers(scene, server, scene.attacker) == ("silent", None)
    assert is_open(scene, S4)  # the door outlived it all
    stays(lambda: scene.backend.do("changed") == "no", LOOK, "what we did ourselves is no change")


def test_rules_of_others_go_on(scene):
    """What passes the guard returns to the administrator's chain, which an ACCEPT would end."""
    scene.server.run("iptables", "-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "--dport", SSH)
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", C4, 60)
    assert is_open(scene, S4)
    rule = scene.server.run("iptables", "-t", "mangle", "-nvxL", "PREROUTING").stdout.splitlines()[-1]
    assert int(rule.split()[0]) >= 2  # a SYN and what follows it


@pytest.mark.parametrize("program,said", [("exit 3", 'status=3 said="no"'), ("exec sleep 60", "was killed")])
def test_a_tool_that_fails_or_hangs(hosts, tmp_path, program, said):
    fake = tmp_path / "xtables"
    fake.write_text(f"#!/bin/sh\necho no\n{program}\n")
    fake.chmod(0o755)
    with on_ipset(hosts, wrap=instead(fake)) as backend:
        begin = time.monotonic()
        assert backend.do("install") == "failed"
        assert time.monotonic() - begin < 45
        assert said in backend.log()


# --- the whole of it ---


@pytest.mark.house(firewall="ipset")
def test_the_whole_way_and_the_end_of_everything(house):
    assert house.all_closed()
    blind = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"]
    blind += [house.postern.bin / PLACES["posternctl"], "-c", house.postern.config, "firewall"]
    assert "cannot be seen" in house.server.run(*blind, "show").stderr
    done = house.server.run(*blind, "check", check=False)
    assert done.returncode == 1 and "run this as root" in done.stderr
    done = house.alice.postern("open", "alice", "ssh", "--single-use")
    assert done.returncode == DENIED and "the firewall has none" in done.stderr + done.stdout
    assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
    assert house.is_open() and not house.is_open(host=house.attacker)
    assert house.postern.ctl("firewall", "check").returncode == 0
    assert "postern-guard" in house.postern.ctl("firewall", "show").stdout
    house.server.run("iptables", "-t", "mangle", "-F")
    house.server.run("ip6tables", "-t", "mangle", "-F")
    until(lambda: house.postern.log_lines("guard_restored"), LOOK, "the guard put back")
    assert not house.is_open(host=house.attacker) and not house.is_open(host=house.attacker, six=True)
    assert house.is_open()  # doors outlive it
    assert house.alice.postern("close", "alice").returncode == GRANTED
    assert house.alice.postern("open", "alice", "ssh", "--hold", "4").returncode == GRANTED
    house.postern.kill_all()
    until(house.all_closed, 15, "the end of the door without us")


def test_a_tool_that_hangs_holds_nobody_up(tmp_path):
    """The look kills it, tells it and goes on later; doors need none; a reload ends and says why it failed."""
    fake = tmp_path / "xtables"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    with House(firewall="ipset") as house:
        pid = house.postern.process.pid
        house.server.run("nsenter", "-t", pid, "-m", "mount", "--bind", fake, XTABLES)
        waits = []
        while not house.postern.log_lines("iptables-save: did not end"):
            begin = time.monotonic()
            assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
            waits.append(time.monotonic() - begin)
            assert house.is_open() and sum(waits) < 20
            time.sleep(0.5)
        assert max(waits) < 3
        begin = time.monotonic()
        assert house.postern.ctl("reload", check=False).returncode != 0
        assert time.monotonic() - begin < 8
        assert "iptables-save" in house.postern.log().split("reloading")[-1]
        assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED


@pytest.mark.parametrize("capture", ["nflog", "nfqueue", "udp"])
def test_captures_that_need_rules_get_them_of_iptables(capture):
    with House(firewall="ipset", capture=capture, interface="any") as house:
        assert house.all_closed()
        assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
        assert house.is_open()


REFUSED = (
    ("single-use = yes", "no single-use"),
    ("exact = yes", "no exact"),
    ('forward = "10.0.0.5:22"', "no forward"),
)


@pytest.mark.house(firewall="ipset", start=False, alice=False, sshd=False)
def test_check_refuses_what_they_have_not(house):
    longer = (("max-hold = 2592000", "2147483"), ("idle = 2592000", "2147483"))
    check_refuses(house, "ipset", (*REFUSED, *longer))
    house.postern.directives["firewall"] = "exec"
    check_refuses(house, "exec", (*REFUSED, ("idle = 60", "no idle"), ("cut = yes", "no cut")))
    house.postern.directives.update({"capture": "nflog", "interface": "any"})
    check_refuses(house, "exec", [("idle = 0", "no rules for captures")])


def check_refuses(house, firewall, refused):
    text = house.postern.config_text()
    for line, why in refused:
        bad = text.replace("port = 22", f"port = 22\n  {line}")
        bad = re.sub(r"  max-hold = 3600\n", "", bad) if line.startswith("max-hold") else bad
        house.postern.write_config(bad)
        check = house.server.run(
            house.postern.bin / PLACES["posternd"], "--check", "-c", house.postern.config, check=False
        )
        assert check.returncode != 0 and why in check.stderr, (line, check.stderr)
        assert f"firewall {firewall}" in check.stderr or f"firewall: {firewall}" in check.stderr


# --- exec ---

SCRIPT = """#!/bin/sh
# Keeps what it is told in files, and opens by nftables as an administrator might.
folder={folder}
. $folder/mood
echo "$*" >>$folder/calls
env | sort >$folder/env
nft=/usr/sbin/nft
case $1 in
setup)
	echo "$POSTERN_GUARDED" >$folder/guarded
	$nft list table inet mine >/dev/null 2>&1 && exit 0
	$nft -f - <<-'END'
		table inet mine {{
			set four {{ type ipv4_addr . inet_proto . inet_service; flags interval; }}
			set six {{ type ipv6_addr . inet_proto . inet_service; flags interval; }}
			chain in {{
				type filter hook prerouting priority mangle; policy accept;
				ct state established,related accept
				ip saddr . meta l4proto . th dport @four accept
				ip6 saddr . meta l4proto . th dport @six accept
				tcp dport 22 drop
				udp dport 5353 drop
			}}
		}}
	END
	;;
open|close)
	set=four verb=add
	[ "$POSTERN_FAMILY" = inet6 ] && set=six
	[ "$1" = close ] && verb=delete
	$nft $verb element inet mine $set "{{ $4 . $2 . $3 }}" || [ "$1" = close ] || exit 1
	grep -v "^$2 $3 $4\\$" $folder/doors >$folder/doors.new
	[ "$1" = open ] && echo "$2 $3 $4" >>$folder/doors.new
	mv $folder/doors.new $folder/doors
	;;
list) cat $folder/doors ;;
remove) $nft delete table inet mine ;;
esac
"""


class Script:
    """The administrator's, in a folder that shows what it was told."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "firewall"
        self.path.write_text(SCRIPT.format(folder=folder))
        self.path.chmod(0o755)
        self.mood("")
        (folder / "doors").touch()
        (folder / "state").mkdir()

    def mood(self, text):
        (self.folder / "mood").write_text(text)

    def calls(self):
        return (self.folder / "calls").read_text().splitlines()

    def doors(self):
        return (self.folder / "doors").read_text().splitlines()

    def backend(self, lab):
        env = {"FIREWALL": "exec", "SCRIPT": str(self.path), "STATE": str(self.folder / "state"), "EVIL": "1"}
        return Backend(lab.server, env={**os.environ, **env})


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path)


@pytest.fixture
def scripted(hosts, script):
    with script.backend(hosts) as hosts.backend:
        hosts.script = script
        yield hosts


@BOTH
def test_a_script_opens_and_closes(scripted, server, client):
    scripted.backend.ok("ensure")
    assert answers(scripted, server) == ("silent", None)
    scripted.backend.ok("open", "ssh", client, 60)
    assert answers(scripted, server) == ("open", None)
    assert answers(scripted, server, scripted.attacker) == ("silent", None)
    assert scripted.script.calls()[-1] == f"open tcp 22 {client} 60 ssh"
    env = dict(line.split("=", 1) for line in (scripted.script.folder / "env").read_text().splitlines())
    assert env.pop("POSTERN_ADDRESS") == client and "EVIL" not in env
    assert env["POSTERN_PREFIX_LEN"] == ("32" if "." in client else "128")
    assert env["POSTERN_FAMILY"] == ("inet" if "." in client else "inet6")
    assert 50 < rest(scripted.backend, "ssh", client) <= 60
    assert list(scripted.backend.doors()) == [(client, 6, 22)]
    scripted.backend.ok("close", "ssh", client)
    assert scripted.backend.do("close", "ssh", client) == "not-there"
    assert answers(scripted, server) == ("silent", None)
    assert scripted.backend.do("read") == "ok there=1 trial=none 6.22 17.5353"
    assert (scripted.script.folder / "guarded").read_text() == "tcp/22 udp/5353\n"


def test_ends_come_by_our_clock_and_at_the_next_start(scripted):
    """Killed as by kill -9, what ended meanwhile is closed at the next start, and what has time left is kept."""
    backend, script = scripted.backend, scripted.script
    backend.ok("ensure")
    backend.ok("open", "ssh", C4, 1)
    until(lambda: backend.do("changed") == "no" and script.doors() == [], 10, "the end of a door")
    assert not is_open(scripted, S4)
    backend.ok("open", "ssh", C4, 1)
    backend.ok("open", "ssh", C6, 60)
    backend.die()
    time.sleep(1.1)
    assert is_open(scripted, S4)  # nobody is there to close it
    with (script.folder / "doors").open("a") as f:
        f.write("udp 5353 10.99.0.1\n")  # and what nobody knows of
    with script.backend(scripted) as again:
        again.ok("ensure")
        assert script.doors() == [f"tcp 22 {C6}"]
        assert not is_open(scripted, S4) and is_open(scripted, S6)
        assert 50 < again.doors()[C6, 6, 22] < 60
        again.configure([("echo", 17, ECHO)])
        again.ok("ensure")  # its service is no more
        assert script.doors() == [] and again.doors() == {}
        again.ok("remove")
    assert list((script.folder / "state").iterdir()) == []


def test_a_script_that_fails_or_hangs(scripted):
    backend, script = scripted.backend, scripted.script
    backend.ok("ensure")
    script.mood('[ "$1" = open ] && echo "no" && exit 7')
    assert backend.do("open", "ssh", C4, 60) == "failed"
    assert 'status=7 said="no"' in backend.log()
    assert backend.do("query", "ssh", C4) == "not-there 0"
    until(lambda: backend.do("changed") == "no" and backend.doors() == {}, 10, "the half-open door's closing")
    assert script.calls()[-1].startswith(f"close tcp 22 {C4}")
    script.mood(f'[ "$1" = open ] && {{ sleep 61 & echo $! >{script.folder}/child; sleep 62; }}')
    begin = time.monotonic()
    assert backend.do("open", "ssh", C4, 60) == "failed"
    assert 4.5 < time.monotonic() - begin < 30  # it would have slept for a minute
    assert "was killed" in backend.log()
    child = (script.folder / "child").read_text().strip()
    until(lambda: not os.path.exists(f"/proc/{child}") or "Z" in open(f"/proc/{child}/stat").read(), 10, "its child's end")
    script.mood('[ "$1" = close ] && exit 1')
    until(lambda: backend.do("changed") == "no" and "verb=close status=1" in backend.log(), 10, "a closing that fails")
    assert rest(backend, "ssh", C4) <= 5  # it is not closed: until the next try
    script.mood("")
    until(lambda: backend.do("changed") == "no" and backend.doors() == {}, 20, "another try")


def test_a_script_that_others_can_write_is_not_run(hosts, script):
    script.path.chmod(0o777)
    with script.backend(hosts) as backend, pytest.raises(RuntimeError, match="firewall-script"):
        backend.do("ensure")
    assert not (script.folder / "calls").exists()


def test_the_whole_way_by_a_script(tmp_path):
    script = Script(tmp_path)
    directives = {"firewall": "exec", "firewall-script": str(script.path)}
    with House(**directives) as house:
        assert house.all_closed()
        assert house.alice.postern("open", "alice", "ssh", "--hold", "3").returncode == GRANTED
        assert house.is_open() and not house.is_open(host=house.attacker)
        until(lambda: script.doors() == [], 15, "the end of the doors")
        assert house.all_closed()
        assert house.alice.postern("open", "alice", "ssh", "--hold", "3").returncode == GRANTED
        house.postern.kill_all()
        time.sleep(3)
        assert house.is_open()
        house.postern.start()
        until(lambda: script.doors() == [], 15, "the closing at the next start")
        assert house.all_closed()
        assert house.alice.postern("open", "alice", "ssh", "-4", "--hold", "60").returncode == GRANTED
        script.mood('[ "$1" = close ] && exit 1')
        assert house.alice.postern("close", "alice", "ssh", "-4").returncode != GRANTED
        assert [s["address"] for s in house.postern.sessions()] == [C4]  # it is open, and said to be
        check = house.postern.ctl("firewall", "check", check=False)
        assert check.returncode == 5 and f"The door for {C4} to port 22 has ended" in check.stdout
        script.mood("")
        until(lambda: script.doors() == [] and house.postern.sessions() == [], 20, "the next try")
        # A reload that the script refuses: what is in force then is said, and not more.
        def refused():
            done = house.postern.ctl("reload", check=False)
            assert done.returncode != 0 and "the firewall does not take the new guard" in done.stderr
            return done.stderr

        script.mood(f'[ "$1" = setup ] && [ ! -e {tmp_path}/refused ] && touch {tmp_path}/refused && exit 1')
        assert "what was in force stays in force" in refused()
        script.mood('[ "$1" = setup ] && exit 1')
        said = refused()
        assert "but its guard could not be put back" in said and "what was in force" not in said
        script.mood("")
        house.postern.ctl("reload")
