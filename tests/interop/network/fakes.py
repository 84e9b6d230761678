#!/usr/bin/env python3
"""Services that tell an address, as their providers document them: fakes.py KIND LOG ADDRESS PORT [SAYS]. KIND: a cloud
(gcp aws azure azure-standard oci digitalocean hetzner), text (SAYS is the whole answer), redirect (to SAYS), slow.
Every request goes to LOG, a line each: method, path, status."""
import http.server
import json
import socket
import socketserver
import sys
import time

kind, log, address, port, *says = sys.argv[1:]
PUBLIC = says[0] if says else "203.0.113.50"
TOKEN = "AQAEAFakeToken=="


def gcp(method, path, headers):
    if headers.get("Metadata-Flavor") != "Google":
        return 403, "Missing Metadata-Flavor:Google header."
    if path == "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip":
        return 200, PUBLIC
    return 404, "<html>not found</html>"


def aws(method, path, headers):
    if method == "PUT" and path == "/latest/api/token":
        return (200, TOKEN) if headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit() else (400, "")
    if headers.get("X-aws-ec2-metadata-token") != TOKEN:
        return 401, "Unauthorized"  # as where IMDSv1 is switched off
    return (200, PUBLIC) if path == "/latest/meta-data/public-ipv4" else (404, "")


def azure(method, path, headers, standard=False):
    if headers.get("Metadata") != "true" or "api-version=" not in path:
        return 400, '{"error":"Bad request"}'
    if path.startswith("/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress?") \
            and "format=text" in path:
        return 200, "" if standard else PUBLIC
    if path.startswith("/metadata/loadbalancer?"):
        return (200, json.dumps({"loadbalancer": {"publicIpAddresses": [
            {"frontendIpAddress": PUBLIC, "privateIpAddress": "192.168.10.2"}], "inboundRules": []}})) \
            if standard else (404, '{"error":"No load balancer metadata is found"}')
    return 404, '{"error":"Not found"}'


def oci(method, path, headers):
    if path.startswith("/latest/"):
        return aws(method, path, headers)[0], "198.51.100.99"  # it speaks AWS's way, too, and means something else
    if headers.get("Authorization") != "Bearer Oracle":
        return 403, "Forbidden"
    if path == "/opc/v2/vnics/":
        return 200, json.dumps([{"vnicId": "ocid1.vnic.x", "privateIp": "192.168.10.2", "publicIp": PUBLIC}])
    return 404, ""


def plain(where):
    return lambda method, path, headers: (200, PUBLIC) if path == where else (404, "not found")


ANSWERS = {"gcp": gcp, "aws": aws, "azure": azure, "oci": oci,
           "azure-standard": lambda *a: azure(*a, standard=True),
           "digitalocean": plain("/metadata/v1/interfaces/public/0/ipv4/address"),
           "hetzner": plain("/hetzner/v1/metadata/public-ipv4"),
           "text": lambda method, path, headers: (200, PUBLIC), "redirect": lambda method, path, headers: (302, ""),
           "slow": lambda method, path, headers: time.sleep(60) or (200, PUBLIC)}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        status, body = ANSWERS[kind](self.command, self.path, self.headers)
        with open(log, "a", encoding="ascii") as out:
            out.write(f"{self.command} {self.path} {status}\n")
        self.send_response(status)
        if kind == "redirect":
            self.send_header("Location", PUBLIC)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_PUT = answer

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):  # http.server's asks the resolver for its own name first: 5 s where none answers
    allow_reuse_address = daemon_threads = True
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET


Server((address, int(port)), Handler).serve_forever()
