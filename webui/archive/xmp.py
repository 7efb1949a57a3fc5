"""XMP packets: our JSON as the one property of ours, and text properties of others. No document type, no tree."""

from __future__ import annotations

import re
from xml.parsers import expat
from xml.sax.saxutils import escape

LIMIT = 4 * 1024 * 1024  # bytes

_NAMESPACE = "urn:seedprint:ns#"
_OURS = f"{_NAMESPACE} record"
_NAMES = {
    _OURS: "seedprint",
    "http://ns.adobe.com/exif/1.0/ UserComment": "xmp:UserComment",
    "http://ns.adobe.com/xap/1.0/ CreatorTool": "xmp:CreatorTool",
    "http://purl.org/dc/elements/1.1/ description": "xmp:description",
}
# XML 1.0 has no place for these; all of them can only stand inside strings of the JSON
_NOT_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Stop(Exception):
    """A document type: entities could blow up, and no packet needs them."""


class _Properties:
    """Handlers of the parser: the text of elements, and the attributes, whose names are in `_NAMES`."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self._open: list[str] = []  # for every open element, the property that its text belongs to, or ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        for key, value in attributes.items():
            if key in _NAMES:
                self.found[_NAMES[key]] = [value]
        if name in _NAMES:
            self.found[_NAMES[name]] = []
        self._open.append(_NAMES.get(name, self._open[-1] if self._open else ""))

    def text(self, data: str) -> None:
        if self._open and self._open[-1]:
            self.found[self._open[-1]].append(data)

    def end(self, name: str) -> None:
        self._open.pop()

    def refuse(self, *_: object) -> None:
        raise _Stop


def write(ours: str) -> bytes:
    """A packet with our JSON (one line)."""
    text = escape(_NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", ours))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:seedprint="{_NAMESPACE}">'
        f"<seedprint:record>{text}</seedprint:record></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    ).encode()


def read(packet: bytes) -> dict[str, str]:
    """The properties in `_NAMES` that the packet holds, by our names; {} when it is no sound packet."""
    if len(packet) > LIMIT:
        return {}
    properties = _Properties()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = properties.start, properties.end
    parser.CharacterDataHandler = properties.text
    parser.StartDoctypeDeclHandler = properties.refuse
    try:
        parser.Parse(packet.strip(b"\0 \n\r\t"), True)
    except (expat.ExpatError, _Stop, ValueError):
        return {}
    return {name: "".join(parts).strip() for name, parts in properties.found.items()}
