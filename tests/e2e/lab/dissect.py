"""What tshark makes of recorded packets, up to TCP and ICMP: of what looks random it takes some for Thrift and the like."""

READ = {"frame", "eth", "ethertype", "ip", "ipv6", "tcp", "icmp", "icmpv6", "data"}
CHECKED = ("tcp.check_checksum:TRUE", "ip.check_checksum:TRUE")


def _config(host):
    folder = host.folder / "wireshark"
    if not folder.exists():
        folder.mkdir()
        listed = host.run("tshark", "-G", "protocols").stdout.splitlines()
        names = {line.split("\t")[2] for line in listed}
        assert READ < names
        unread = {name for name in names - READ if not name.startswith("_ws.")}
        (folder / "disabled_protos").write_text("\n".join(sorted(unread)) + "\n")
    return {"WIRESHARK_CONFIG_DIR": str(folder)}


def fields(host, file, *names):
    """Of each packet the values of these fields."""
    words = [w for name in names for w in ("-e", name)] + [w for pref in CHECKED for w in ("-o", pref)]
    words += ["-T", "fields", "-E", "separator=;"]
    return [line.split(";") for line in host.run("tshark", "-n", "-r", file, *words, env=_config(host)).stdout.splitlines()]
