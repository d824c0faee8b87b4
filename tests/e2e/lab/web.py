"""nginx, microsocks and tinyproxy on hosts of the laboratory: nobody else's configuration is touched."""

from . import connect
from .wait import until

NGINX = """
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ }}
http {{
	access_log {dir}/access.log;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	server {{
		listen {port};
		listen [::]:{port};
		{body}
	}}
}}
"""
PAGE = "location / { return 200 'a page'; }"
TINYPROXY = """
User root
Group root
Port {port}
Listen 0.0.0.0
Timeout 60
MaxClients 20
Allow 0.0.0.0/0
"""


def _listens(host, address, port):
    return lambda: connect.tcp(host, address, port) == "open"


class Nginx:
    def __init__(self, host, address, port=80, body=PAGE):
        self.dir = host.folder / f"nginx-{host.role}"
        self.dir.mkdir()
        conf = self.dir / "nginx.conf"
        conf.write_text(NGINX.format(dir=self.dir, port=port, body=body))
        self.process = host.start("/usr/sbin/nginx", "-p", self.dir, "-e", self.dir / "error.log", "-c", conf)
        until(_listens(host, address, port), 5, "nginx")

    def requests(self):
        log = self.dir / "access.log"
        return log.read_text().splitlines() if log.exists() else []


def forward(to):
    """The body of a reverse proxy."""
    return (
        f"location / {{ proxy_pass http://{to}; proxy_set_header Host $host;"
        " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }"
    )


def socks(host, address, port=1080, *options):
    process = host.start("microsocks", "-i", address, "-p", port, *options)
    until(_listens(host, address, port), 5, "microsocks")
    return process


def tinyproxy(host, address, port=8888):
    conf = host.folder / "tinyproxy.conf"
    conf.write_text(TINYPROXY.format(port=port))
    process = host.start("tinyproxy", "-d", "-c", conf)
    until(_listens(host, address, port), 5, "tinyproxy")
    return process
