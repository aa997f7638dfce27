"""Vercel: the domains of a project and what DNS they want."""
