#!/usr/bin/env python3
"""A host that says to be a gateway: liar.py LOG ADDRESS PORT CONTROL [fickle]. It answers who looks for one by SSDP on the network of
ADDRESS, describes itself at PORT there and sends those who want a mapping to CONTROL (host:port). Every request that
comes to PORT goes to LOG, a line each: method, path. fickle: each answer names another address outside."""
import http.server
import socket
import socketserver
import struct
import sys
import threading
import time

log, address, port, control = sys.argv[1:5]
last = iter(range(10, 1 << 30)) if sys.argv[5:] else None  # of the address outside, modulo 90
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DEVICE = "urn:schemas-upnp-org:device:"
DESCRIPTION = f"""<?xml version="1.0"?>
<root xmlns="{DEVICE[:-1]}-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>{DEVICE}InternetGatewayDevice:1</deviceType><friendlyName>liar</friendlyName>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANCommonIFC1</serviceId><controlURL>http://{control}/common</controlURL>
<eventSubURL>/evt</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList>
<deviceList><device><deviceType>{DEVICE}WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>{SERVICE}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>http://{control}/control</controlURL><eventSubURL>/evt</eventSubURL><SCPDURL>/scpd.xml</SCPDURL>
</service></serviceList></device></deviceList></device></root>
"""
SAYS = """<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<u:Response xmlns:u="%s"><NewConnectionStatus>Connected</NewConnectionStatus>
<NewExternalIPAddress>5.5.5.99</NewExternalIPAddress></u:Response></s:Body></s:Envelope>
""" % SERVICE


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(log, "a", encoding="ascii") as out:
            out.write(f"{self.command} {self.path}\n")
        body = (DESCRIPTION if self.command == "GET" else SAYS.replace(".99<", f".{next(last) % 90 + 10}<") if last else SAYS).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def answer_searches():
    seeker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    seeker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    seeker.bind(("", 1900))
    seeker.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                      struct.pack("4s4s", socket.inet_aton("239.255.255.250"), socket.inet_aton(address)))
    while True:
        asked, whom = seeker.recvfrom(2048)
        if asked.startswith(b"M-SEARCH"):
            time.sleep(0.2)  # miniupnpc tries those first that answered last
            seeker.sendto((f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {DEVICE}InternetGatewayDevice:1\r\n"
                           f"USN: uuid:1::{DEVICE}InternetGatewayDevice:1\r\nEXT:\r\nSERVER: liar\r\n"
                           f"LOCATION: http://{address}:{port}/root.xml\r\n\r\n").encode(), whom)


threading.Thread(target=answer_searches, daemon=True).start()
# http.server's own asks the resolver for its name first: 5 s where none answers.
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer((address, int(port)), Handler).serve_forever()
