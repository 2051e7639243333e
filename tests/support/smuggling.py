"""Ways to write one HTTP request so that two readers may differ about where it ends."""

from __future__ import annotations

__all__ = ["CATALOGUE", "CLOSE", "LINE", "PLAIN", "asked"]

LINE = b"POST /classify HTTP/1.1"
BODY = b'{"a": 1}'
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"8\r\n%b\r\n0\r\n\r\n" % BODY


def asked(
    *headers: bytes,
    line: bytes = LINE,
    body: bytes = BODY,
    length: int | None = -1,
    host: bytes = b"Host: x",
) -> bytes:
    """A request.

    Args:
        headers: its own.
        line: the first.
        body: what follows the head.
        length: that it says it has; None for no word of it, negative for the true one.
        host: its header of that name.
    """
    if length is not None:
        headers = (*headers, b"Content-Length: %d" % (len(body) if length < 0 else length))
    return b"\r\n".join([line, host, *headers, b"", b""]) + body


PLAIN = asked()
CLOSE = asked(b"Connection: close", body=b'{"last": 1}')
INNER = asked(body=b'{"smuggled": 1}')


def of_length(text: bytes) -> bytes:
    return asked(b"Content-Length:" + text, length=None)


def of_coding(header: bytes, body: bytes = CHUNKS) -> bytes:
    return asked(header, body=body, length=None)


def in_chunks(body: bytes) -> bytes:
    return of_coding(CHUNKED, body)


def to(target: bytes) -> bytes:
    return asked(line=b"POST %b HTTP/1.1" % target)


LENGTHS = {
    "two equal lengths": asked(b"Content-Length: 8"),
    "two lengths": asked(b"Content-Length: 3"),
    "two lengths, the first true": asked(b"Content-Length: 8", length=3),
    "a list of equal lengths": of_length(b" 8, 8"),
    "a list of lengths": of_length(b" 8, 3"),
    "a length with a plus": of_length(b" +8"),
    "a negative length": of_length(b" -8"),
    "a length in hex": of_length(b" 0x8"),
    "a length with a zero before it": of_length(b" 08"),
    "a length with a dot": of_length(b" 8.0"),
    "a length with an exponent": of_length(b" 8e0"),
    "a length with an underscore": of_length(b" 0_8"),
    "a length in other digits": of_length(" \u0668".encode()),
    "an empty length": of_length(b""),
    "a blank length": of_length(b" "),
    "a length without a blank": of_length(b"8"),
    "a length between blanks": of_length(b"  8  "),
    "a length between tabs": of_length(b"\t8\t"),
    "a length with a blank in it": of_length(b" 8 8"),
    "a length with a vertical tab": of_length(b" 8\x0b"),
    "a length of 2 to the 64th and 8": of_length(b" 18446744073709551624"),
    "a length of 40 zeros": of_length(b" " + b"0" * 40 + b"8"),
    "a length in a header like it": asked(b"Content_Length: 3"),
    "a length in capitals": asked(b"CONTENT-LENGTH: 8", length=None),
    "a length and more": PLAIN + b"xy",
    "no length": asked(length=None, body=b"") + PLAIN,
    "a length of 0": asked(length=0, body=b"") + PLAIN,
    "a length of 0 and a body": asked(length=0),
    "a body that is a request": asked(body=INNER),
    "a header that is a request": asked(b"X: " + LINE),
    "a GET with a body": asked(line=b"GET /classify HTTP/1.1"),
    "a GET without": asked(line=b"GET /classify HTTP/1.1", length=None, body=b""),
    "a DELETE with a body": asked(line=b"DELETE /classify HTTP/1.1"),
}
CODINGS = {
    "a length and chunks": asked(CHUNKED, body=CHUNKS),
    "a short length and chunks": asked(CHUNKED, body=CHUNKS, length=3),
    "a length beyond and chunks": asked(CHUNKED, body=CHUNKS + INNER),
    "chunks and a length": asked(b"Content-Length: 8", CHUNKED, body=CHUNKS, length=None),
    "chunks of none, a length, a request": asked(CHUNKED, body=b"0\r\n\r\n" + INNER),
    "chunked": of_coding(CHUNKED),
    "chunked in capitals": of_coding(b"TRANSFER-ENCODING: CHUNKED"),
    "chunked after blanks": of_coding(b"Transfer-Encoding:   chunked  "),
    "chunked after a tab": of_coding(b"Transfer-Encoding:\tchunked"),
    "chunked after a vertical tab": of_coding(b"Transfer-Encoding: \x0bchunked"),
    "chunked with a vertical tab": of_coding(b"Transfer-Encoding: chunked\x0b"),
    "chunked twice": of_coding(CHUNKED + b"\r\n" + CHUNKED),
    "chunked, chunked": of_coding(CHUNKED + b", chunked"),
    "chunked, then nothing": of_coding(CHUNKED + b","),
    "chunked, identity": of_coding(CHUNKED + b", identity"),
    "identity, chunked": of_coding(b"Transfer-Encoding: identity, chunked"),
    "gzip, chunked": of_coding(b"Transfer-Encoding: gzip, chunked"),
    "chunked, then gzip": of_coding(CHUNKED + b"\r\nTransfer-Encoding: gzip"),
    "identity": asked(b"Transfer-Encoding: identity"),
    "xchunked": of_coding(b"Transfer-Encoding: xchunked"),
    "chunkedx": of_coding(CHUNKED + b"x"),
    "chunked in quotes": of_coding(b'Transfer-Encoding: "chunked"'),
    "chunked with a parameter": of_coding(CHUNKED + b";a=b"),
    "an empty coding": of_coding(b"Transfer-Encoding:"),
    "a coding named with a blank": of_coding(b"Transfer-Encoding : chunked"),
    "a coding on a folded line": of_coding(b"Transfer-Encoding:\r\n chunked"),
    "a coding behind a bare LF": asked(b"X: y\nTransfer-Encoding: chunked", body=CHUNKS),
    "a coding behind a bare CR": asked(b"X: y\rTransfer-Encoding: chunked", body=CHUNKS),
    "a coding behind a NUL": asked(b"X: y\0Transfer-Encoding: chunked", body=CHUNKS),
    "a coding in a header like it": asked(b"Transfer_Encoding: chunked"),
    "chunked in HTTP/1.0": asked(
        CHUNKED, line=b"POST /classify HTTP/1.0", body=CHUNKS, length=None
    ),
    "chunked, asks to close": asked(CHUNKED, b"Connection: close", body=CHUNKS, length=None),
}
CHUNK_LINES = {
    "a chunk's extension": in_chunks(b"8;a=b\r\n%b\r\n0\r\n\r\n" % BODY),
    "a chunk's extension without a value": in_chunks(b"8;a\r\n%b\r\n0\r\n\r\n" % BODY),
    "a chunk's extension in quotes": in_chunks(b'8;a="b;c"\r\n%b\r\n0\r\n\r\n' % BODY),
    "a chunk's extension after a blank": in_chunks(b"8 ;a=b\r\n%b\r\n0\r\n\r\n" % BODY),
    "an empty extension": in_chunks(b"8;\r\n%b\r\n0\r\n\r\n" % BODY),
    "an extension with a bare LF": in_chunks(b"8;a\nb\r\n%b\r\n0\r\n\r\n" % BODY),
    "an extension with a bare CR": in_chunks(b"8;a\rb\r\n%b\r\n0\r\n\r\n" % BODY),
    "an extension with a NUL": in_chunks(b"8;a\0b\r\n%b\r\n0\r\n\r\n" % BODY),
    "a long extension": in_chunks(b"8;%b\r\n%b\r\n0\r\n\r\n" % (b"a" * 4000, BODY)),
    "the last chunk's extension": in_chunks(b"8\r\n%b\r\n0;a=b\r\n\r\n" % BODY),
    "two chunks": in_chunks(b"3\r\n%b\r\n5\r\n%b\r\n0\r\n\r\n" % (BODY[:3], BODY[3:])),
    "no chunk": in_chunks(b"0\r\n\r\n"),
    "a size with zeros before it": in_chunks(b"0008\r\n%b\r\n000\r\n\r\n" % BODY),
    "a size of 30 digits": in_chunks(b"%b8\r\n%b\r\n0\r\n\r\n" % (b"0" * 29, BODY)),
    "a size in capitals": in_chunks(b"A\r\n[%b]\r\n0\r\n\r\n" % BODY),
    "a size with 0x": in_chunks(b"0x8\r\n%b\r\n0\r\n\r\n" % BODY),
    "a size with a plus": in_chunks(b"+8\r\n%b\r\n0\r\n\r\n" % BODY),
    "a negative size": in_chunks(b"-8\r\n%b\r\n0\r\n\r\n" % BODY),
    "a size with an underscore": in_chunks(b"0_8\r\n%b\r\n0\r\n\r\n" % BODY),
    "a size after a blank": in_chunks(b" 8\r\n%b\r\n0\r\n\r\n" % BODY),
    "a size before a blank": in_chunks(b"8 \r\n%b\r\n0\r\n\r\n" % BODY),
    "a size before a tab": in_chunks(b"8\t\r\n%b\r\n0\r\n\r\n" % BODY),
    "a size beyond 64 bits": in_chunks(b"10000000000000008\r\n%b\r\n0\r\n\r\n" % BODY),
    "no size": in_chunks(b"\r\n%b\r\n0\r\n\r\n" % BODY),
    "a size before a bare LF": in_chunks(b"8\n%b\r\n0\r\n\r\n" % BODY),
    "a size before a bare CR": in_chunks(b"8\r%b\r\n0\r\n\r\n" % BODY),
    "a chunk before a bare LF": in_chunks(b"8\r\n%b\n0\r\n\r\n" % BODY),
    "a chunk before two other bytes": in_chunks(b"8\r\n%bxx0\r\n\r\n" % BODY),
    "a chunk before nothing": in_chunks(b"8\r\n%b0\r\n\r\n" % BODY),
    "a chunk longer than its size": in_chunks(b"7\r\n%b\r\n0\r\n\r\n" % BODY),
    "a chunk shorter than its size": in_chunks(b"9\r\n%b\r\n0\r\n\r\n" % BODY),
    "a last chunk before a bare LF": in_chunks(b"8\r\n%b\r\n0\n\r\n" % BODY),
    "an end of a bare LF": in_chunks(b"8\r\n%b\r\n0\r\n\n" % BODY),
    "an end of bare LFs": in_chunks(b"8\r\n%b\r\n0\n\n" % BODY),
    "an end that is missing": in_chunks(b"8\r\n%b\r\n0\r\n" % BODY),
    "a trailer": in_chunks(b"8\r\n%b\r\n0\r\nX: y\r\n\r\n" % BODY),
    "a trailer of a length": in_chunks(b"8\r\n%b\r\n0\r\nContent-Length: 3\r\n\r\n" % BODY),
    "a trailer of a coding": in_chunks(b"8\r\n%b\r\n0\r\n%b\r\n\r\n" % (BODY, CHUNKED)),
    "a trailer that is announced": asked(
        CHUNKED, b"Trailer: X", body=b"8\r\n%b\r\n0\r\nX: y\r\n\r\n" % BODY, length=None
    ),
    "a trailer that is folded": in_chunks(b"8\r\n%b\r\n0\r\nX: y\r\n z\r\n\r\n" % BODY),
    "a trailer without a colon": in_chunks(b"8\r\n%b\r\n0\r\nxyz\r\n\r\n" % BODY),
    "a trailer that is a request": in_chunks(b"8\r\n%b\r\n0\r\n%b" % (BODY, INNER)),
    "a chunk that is a request": in_chunks(b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)),
}
LINE_ENDS = {
    "bare LFs": PLAIN.replace(b"\r\n", b"\n"),
    "bare CRs": PLAIN.replace(b"\r\n", b"\r"),
    "a bare LF after the line": PLAIN.replace(b"1.1\r\n", b"1.1\n"),
    "a bare LF after a header": PLAIN.replace(b"Host: x\r\n", b"Host: x\n"),
    "a bare CR after a header": PLAIN.replace(b"Host: x\r\n", b"Host: x\r"),
    "an end of a bare LF after CRLF": PLAIN.replace(b"\r\n\r\n", b"\r\n\n"),
    "an end of CRLF after a bare LF": PLAIN.replace(b"\r\n\r\n", b"\n\r\n"),
    "an end of a bare CR": PLAIN.replace(b"\r\n\r\n", b"\r\n\r"),
    "CR CR LF": PLAIN.replace(b"Host: x\r\n", b"Host: x\r\r\n"),
    "LF CR": PLAIN.replace(b"Host: x\r\n", b"Host: x\n\r"),
    "an empty line before it": b"\r\n" + PLAIN,
    "three empty lines before it": b"\r\n\r\n\r\n" + PLAIN,
    "a bare LF before it": b"\n" + PLAIN,
    "a bare CR before it": b"\r" + PLAIN,
    "a blank before it": b" " + PLAIN,
    "an empty line after it": PLAIN + b"\r\n",
    "a NUL before it": b"\0" + PLAIN,
}
LINES = {
    "two blanks": asked(line=b"POST  /classify HTTP/1.1"),
    "two blanks before the version": asked(line=b"POST /classify  HTTP/1.1"),
    "a blank after the line": asked(line=LINE + b" "),
    "tabs": asked(line=LINE.replace(b" ", b"\t")),
    "a method in small letters": asked(line=b"post /classify HTTP/1.1"),
    "another method": asked(line=b"PUT /classify HTTP/1.1"),
    "a method that nobody has": asked(line=b"FROB /classify HTTP/1.1"),
    "a method with a NUL": asked(line=b"PO\0ST /classify HTTP/1.1"),
    "HTTP/2's own": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": asked(line=b"POST /classify"),
    "a GET of HTTP/0.9": b"GET /classify\r\n",
    "HTTP/1.0": asked(line=b"POST /classify HTTP/1.0"),
    "HTTP/1.0, kept": asked(b"Connection: keep-alive", line=b"POST /classify HTTP/1.0"),
    "HTTP/1.0 without a length": asked(line=b"POST /classify HTTP/1.0", length=None),
    "HTTP/1.2": asked(line=b"POST /classify HTTP/1.2"),
    "HTTP/1.10": asked(line=b"POST /classify HTTP/1.10"),
    "HTTP/2.0": asked(line=b"POST /classify HTTP/2.0"),
    "HTTP/01.1": asked(line=b"POST /classify HTTP/01.1"),
    "http/1.1": asked(line=b"POST /classify http/1.1"),
    "HTTP 1.1": asked(line=b"POST /classify HTTP 1.1"),
    "a whole address": to(b"http://x/classify"),
    "a whole address of another": to(b"http://y/classify"),
    "a whole address in capitals": to(b"HTTP://X/classify"),
    "a whole address of TLS": to(b"https://x/classify"),
    "a whole address with a user": to(b"http://a:b@x/classify"),
    "a whole address without a path": to(b"http://x"),
    "a whole address without a host": to(b"http:///classify"),
    "a host alone": to(b"x:80"),
    "a star": to(b"*"),
    "two slashes": to(b"//classify"),
    "three slashes": to(b"///classify"),
    "a slash after it": to(b"/classify/"),
    "a dot": to(b"/./classify"),
    "two dots": to(b"/a/../classify"),
    "encoded dots": to(b"/a/%2e%2e/classify"),
    "an encoded letter": to(b"/%63lassify"),
    "an encoded slash": to(b"/%2fclassify"),
    "an encoded NUL": to(b"/classify%00"),
    "an encoded line end": to(b"/classify%0d%0aX:%20y"),
    "encoded twice": to(b"/%2563lassify"),
    "encoded wrongly": to(b"/%zzclassify"),
    "encoded and not UTF-8": to(b"/%ffclassify"),
    "an empty query": to(b"/classify?"),
    "a query": to(b"/classify?a=1"),
    "a fragment": to(b"/classify#a"),
    "a parameter": to(b"/classify;a=1"),
    "a backslash": to(b"\\classify"),
    "no slash": to(b"classify"),
    "a target that is not ASCII": to("/class\u00eff\u00ff".encode()),
    "a target with a NUL": to(b"/classify\0"),
    "a target with a tab": to(b"/class\tify"),
    "a target of 60 KB": to(b"/" + b"a" * 60_000),
    "no target": asked(line=b"POST HTTP/1.1"),
    "a connection to another": asked(line=b"CONNECT x:80 HTTP/1.1", length=None, body=b""),
}
HEADERS = {
    "a blank before the colon": asked(b"X : y"),
    "a blank before the colon of a length": asked(b"Content-Length : 8", length=None),
    "a tab before the colon": asked(b"X\t: y"),
    "a blank before a name": PLAIN.replace(b"Host: x", b" Host: x"),
    "no colon": asked(b"xyz"),
    "no name": asked(b": y"),
    "no value": asked(b"X:"),
    "a name with a blank": asked(b"X Y: z"),
    "a name with a NUL": asked(b"X\0: y"),
    "a name in brackets": asked(b"(X): y"),
    "a name that is not ASCII": asked("\u00c4: y".encode()),
    "a value with a NUL": asked(b"X: y\0z"),
    "a value with a control": asked(b"X: y\x01z"),
    "a value with a DEL": asked(b"X: y\x7fz"),
    "a value with a tab": asked(b"X: y\tz"),
    "a value with a bare CR": asked(b"X: y\rz"),
    "a value that is not ASCII": asked(b"X: y\xffz"),
    "a folded line": asked(b"X: y\r\n z"),
    "a folded line of blanks": asked(b"X: y\r\n \r\n z"),
    "a folded line by a tab": asked(b"X: y\r\n\tz"),
    "a folded length": asked(b"Content-Length:\r\n 8", length=None),
    "a folded length, added to": asked(b"Content-Length: 8\r\n 8", length=None),
    "no host": PLAIN.replace(b"Host: x\r\n", b""),
    "no host, HTTP/1.0": asked(b"X: y", line=b"POST /classify HTTP/1.0", host=b"Y: z"),
    "two hosts": asked(b"Host: y"),
    "two equal hosts": asked(b"Host: x"),
    "an empty host": asked(host=b"Host:"),
    "a host with a slash": asked(host=b"Host: x/y"),
    "a host with a user": asked(host=b"Host: a@x"),
    "a host of two": asked(host=b"Host: x, y"),
    "90 headers": asked(*(b"X-%d: y" % i for i in range(90))),
    "1000 headers": asked(*(b"X-%d: y" % i for i in range(1000))),
    "a value of 3 KB": asked(b"X: " + b"y" * 3000),
    "a value of 60 KB": asked(b"X: " + b"y" * 60_000),
    "a value of 70 KB": asked(b"X: " + b"y" * 70_000),
    "a name of 3 KB": asked(b"X" * 3000 + b": y"),
    "asks to close": asked(b"Connection: close"),
    "asks to close in capitals": asked(b"CONNECTION: CLOSE"),
    "asks to close and to keep": asked(b"Connection: close, keep-alive"),
    "asks to keep and to close": asked(b"Connection: keep-alive, close"),
    "asks to close in another line": asked(b"Connection: keep-alive", b"Connection: close"),
    "asks to close among others": asked(b"Connection: x, close,, y"),
    "asks to keep": asked(b"Connection: keep-alive"),
    "asks to drop the length": asked(b"Connection: Content-Length"),
    "asks to close with an inner one": asked(b"Connection: close") + INNER,
    "expects 100": asked(b"Expect: 100-continue"),
    "expects 100 in capitals": asked(b"EXPECT: 100-CONTINUE"),
    "expects 100 of no body": asked(b"Expect: 100-continue", body=b""),
    "expects 100 of chunks": asked(b"Expect: 100-continue", CHUNKED, body=CHUNKS, length=None),
    "expects 100, HTTP/1.0": asked(b"Expect: 100-continue", line=b"POST /classify HTTP/1.0"),
    "expects something else": asked(b"Expect: 200-ok"),
    "offers HTTP/2": asked(b"Connection: Upgrade", b"Upgrade: h2c"),
    "another content type": asked(b"Content-Type: text/plain"),
    "two content types": asked(b"Content-Type: application/json", b"Content-Type: text/plain"),
    "a coded body": asked(b"Content-Encoding: gzip"),
    "a client that was sent on": asked(b"X-Forwarded-For: 10.0.0.1", b"X-Original-URL: /soon"),
    "a method in a header": asked(b"X-HTTP-Method-Override: GET"),
}
CATALOGUE = LENGTHS | CODINGS | CHUNK_LINES | LINE_ENDS | LINES | HEADERS
