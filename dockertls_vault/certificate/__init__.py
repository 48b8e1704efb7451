"""Certificates and requests for them: made, read and judged; pure."""
