"""How often one visitor may classify."""

from __future__ import annotations

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from stj_web.studio import studio

limiter = Limiter(get_remote_address)

classify_limit = limiter.shared_limit(
    lambda: studio().web.rate, scope="classify", exempt_when=lambda: not studio().web.rate
)
