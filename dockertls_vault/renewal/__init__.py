"""Why a credential is renewed, and what takes its place."""
