"""Headers of every response: what a browser may do with a page of ours; pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

_IMPORT_MAP = re.compile(rb"<script\s+type=\"importmap\"\s*>(.*?)</script>", re.DOTALL)


def import_map_hash(page: bytes) -> str | None:
    """The source expression that allows the import map of a page; None where it has none."""
    match = _IMPORT_MAP.search(page)
    if match is None:
        return None
    return f"'sha256-{base64.b64encode(hashlib.sha256(match[1]).digest()).decode()}'"


def security_headers(allowed_script: str | None) -> Mapping[str, str]:
    """Nothing from elsewhere, nothing inline but the import map, no frame, no address handed on."""
    scripts = "'self'" if allowed_script is None else f"'self' {allowed_script}"
    policy = {
        "default-src": "'none'",
        "script-src": scripts,
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data: blob:",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
        "Server": "qilu",
    }
